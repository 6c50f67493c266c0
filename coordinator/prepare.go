package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// prepare builds the run's job and brings it to its last committed round, making round 0 if there is none.
func (o *owner) prepare(ctx context.Context) error {
	if err := o.readSpec(); errors.Is(err, errLocalOnly) {
		return err
	} else if err != nil {
		return &failure{err.Error()}
	}
	if o.run.Numerics != localsgd.Numerics {
		return &failure{fmt.Sprintf("the run was begun with numerics version %d, this build computes with %d: its bits would differ",
			o.run.Numerics, localsgd.Numerics)}
	}
	if err := o.gather(ctx); err != nil {
		return err
	}
	if err := o.build(); err != nil {
		return &failure{err.Error()}
	}
	loaded, err := o.load()
	if err != nil {
		return err
	}
	if !loaded {
		return o.begin(ctx)
	}
	return nil
}

// readSpec reads the run's spec, and refuses what this coordinator may not run.
func (o *owner) readSpec() (err error) {
	if o.spec, err = spec.FromProto(o.run.Spec); err != nil {
		return fmt.Errorf("reading the run's spec: %w", err)
	}
	if err := o.c.mayRun(o.spec); err != nil {
		return fmt.Errorf("%w: %w", errLocalOnly, err)
	}
	return nil
}

// data returns what this process holds of the run's data, and its fingerprint.
func (o *owner) data() (shard.Data, shard.Fingerprint, error) {
	if d, own := o.spec.Data.(spec.Workers); own {
		data, err := workload.Outline(d, sizesOf(o.run.Parts))
		return data, shard.Fingerprint{}, err
	}
	cache := &o.c.data
	if cache.of != o.spec.Source() {
		began := time.Now()
		data, err := workload.Load(o.spec.Source(), o.c.cfg.Data, shard.TrainY|shard.Testing)
		if err != nil {
			return data, shard.Fingerprint{}, err
		}
		*cache = dataCache{of: o.spec.Source(), data: data, print: data.Fingerprint()}
		o.log.Info("data loaded", "seconds", time.Since(began).Seconds())
	}
	return cache.data, cache.print, nil
}

// build makes the data and the job.
func (o *owner) build() error {
	data, print, err := o.data()
	if err != nil {
		return err
	}
	if o.job, err = workload.Job(o.spec, data); err != nil {
		return err
	}
	o.algorithm = workload.Algorithm(o.spec)
	if o.async, err = newAsyncRun(o.job, o.algorithm); err != nil {
		return err
	}
	if _, combines := o.algorithm.Rule.(localsgd.Combiner); combines {
		o.updates = newUpdates(o.c.cfg.Dir, 4*int64(o.job.Layout().Size()), updatesInMemory)
	}
	o.states = o.newShardStates()
	if data.Test != nil {
		o.evaluator = localsgd.NewEvaluator(o.job.Net, data.Test, o.c.cfg.Parallel)
	}
	o.print = print
	return o.checkPlanned(print)
}

// checkPlanned compares data and network with those that an earlier sitting of the run had.
func (o *owner) checkPlanned(print shard.Fingerprint) error {
	if o.run.Layout.IsZero() {
		return nil
	}
	if err := shard.Fingerprint(o.run.Data).Check(print); err != nil {
		return fmt.Errorf("the data are not those that the run began with: %w", err)
	}
	if got := o.job.Net.Layout().Fingerprint(); got != o.run.Layout {
		return fmt.Errorf("the network's layout is %s, the run began with %s", got, o.run.Layout)
	}
	return nil
}

// begin plans a new run and commits its start model as round 0.
func (o *owner) begin(ctx context.Context) error {
	block := o.algorithm.Start(o.job)
	if err := o.startModel(o.model(block)); err != nil {
		return &failure{err.Error()}
	}
	made := o.hashes(block)
	o.run.Layout = o.job.Net.Layout().Fingerprint()
	o.run.Data = record.Data(o.print)
	o.run.ShardSizes = o.job.Shards.Sizes()
	o.run.StartModel = made.model
	o.run.Tensors = o.job.Net.Layout().Descs()
	err := o.c.store.Update(o.run.ID, func(r *record.Run) error {
		r.Layout, r.Data, r.ShardSizes, r.StartModel = o.run.Layout, o.run.Data, o.run.ShardSizes, o.run.StartModel
		r.Tensors, r.Parts = o.run.Tensors, o.run.Parts
		return nil
	})
	if err != nil {
		return fmt.Errorf("planning the run: %w", err)
	}
	zero := record.Round{Number: 0, Model: made.model, RuleState: made.state, Time: time.Now(), MeasureDue: o.spec.Rank.Every > 0}
	began := time.Now()
	if err := o.score(ctx, &zero, block, made); err != nil {
		return err
	}
	zero.Seconds.Aggregate = time.Since(began).Seconds()
	return o.commit(zero, block, made)
}

// load brings the run to its newest intact model, and returns false if there is none yet. Rounds whose models are damaged
// are put up to be computed again.
func (o *owner) load() (bool, error) {
	id := o.run.ID
	state, err := o.c.store.Load(id)
	if err != nil {
		return false, fmt.Errorf("loading the run: %w", err)
	}
	for _, p := range state.Problems {
		o.log.Error("THE STORE IS DAMAGED; going back to what is intact", "problem", p)
	}
	if state.NeedsMend {
		if err := o.c.store.Mend(id, time.Now()); err != nil {
			return false, err
		}
	}
	if state.Round == nil {
		return false, nil
	}
	o.last = *state.Round
	// Where no model is intact the start model, which the seed gives, is the newest one.
	from := max(state.Model, 0)
	for number := from + 1; number <= state.Last; number++ {
		r, _, err := o.c.store.Round(id, number)
		if err != nil {
			return false, fmt.Errorf("reading round %d to compute it again: %w", number, err)
		}
		o.replay = append(o.replay, r)
	}
	if err := o.resume(from, state.Model < 0); err != nil {
		return false, err
	}
	return true, o.remeasureAll(state.Due)
}

// resume makes the model of a round the current one. A lost start model is made again.
func (o *owner) resume(number int, lost bool) error {
	r, _, err := o.c.store.Round(o.run.ID, number)
	if err != nil {
		return fmt.Errorf("reading round %d: %w", number, err)
	}
	var block []float32
	if lost {
		block, err = o.remakeStart(r)
	} else {
		block, err = o.read(r)
	}
	if err != nil {
		return err
	}
	o.publish(block, o.hashes(block))
	if err := o.states.load(o, number); err != nil {
		return err
	}
	o.log.Info("run goes on", "round", o.last.Number, "to compute again", len(o.replay))
	return nil
}

// startModel puts the start model that was submitted, if there is one, in the place of the one that the seed gives.
func (o *owner) startModel(block []float32) error {
	if !o.run.StartGiven {
		return nil
	}
	layout := o.job.Net.Layout()
	if err := workload.FitStart(o.run.Tensors, layout); err != nil {
		return fmt.Errorf("model.init.file %s: %w", o.spec.Model.File, err)
	}
	if err := o.c.store.ReadModel(o.run.ID, o.run.StartModel, block); err != nil {
		return fmt.Errorf("the start model that was submitted is lost: %w", err)
	}
	return localsgd.CheckFinite(layout, block)
}

func (o *owner) remakeStart(r record.Round) ([]float32, error) {
	block := o.algorithm.Start(o.job)
	if err := o.startModel(o.model(block)); err != nil {
		return nil, &failure{err.Error()}
	}
	made := o.hashes(block)
	if made.model != r.Model {
		return nil, &failure{fmt.Sprintf("the start model made again is %s, recorded is %s", made.model, r.Model)}
	}
	if err := o.writeState(block, made); err != nil {
		return nil, err
	}
	repaired := record.Repaired{Detail: "made again as at the start", Time: time.Now()}
	_, err := o.c.store.RestoreModel(o.run.ID, r.Number, o.model(block), repaired)
	return block, err
}

func (o *owner) remeasureAll(due []int) error {
	for _, number := range due {
		r, _, err := o.c.store.Round(o.run.ID, number)
		if err != nil {
			return fmt.Errorf("reading round %d to measure it: %w", number, err)
		}
		if err := o.remeasure(r); err != nil {
			return err
		}
	}
	return nil
}
