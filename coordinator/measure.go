package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// measurement is what is still to be known of the last committed round. There is at most one: the next commit waits for
// it, so that at most one model copy waits to be measured.
type measurement struct {
	round  record.Round
	next   tensor.Hash // of the model that the round made, as it travels
	began  time.Time
	model  *model // held until the layers are measured
	layers []record.Layer
	ranks  workState
	why    string // of missing layers

	drift  []*driftTask
	study  *studyTask // nil: none is due
	absent time.Time  // since when no worker can do what is left of drift or study; zero: one does
}

type workState int

const (
	notDue workState = iota
	due
	finished
)

// driftTask is the drift of one shard.
type driftTask struct {
	shard  int
	steps  int // at most, as in wire.Task
	weight float64
	holder round.WorkerID // who trained it and should hold its end; 0: unknown
	asked  round.WorkerID // who measures it now; 0: nobody
	tried  []round.WorkerID
	sample *wire.DriftSample
	why    string // it cannot be had
}

func (t *driftTask) open() bool { return t.sample == nil && t.why == "" }

// measure begins the measurement of a round that was just committed; cur is nil for round 0.
func (o *owner) measure(rec record.Round, cur *currentRound) error {
	if !rec.MeasureDue {
		return nil
	}
	m := &measurement{round: rec, next: o.start.hash, began: time.Now()}
	if cur != nil {
		for _, k := range cur.measured {
			if p := cur.by[k]; p != nil {
				m.drift = append(m.drift, &driftTask{shard: k, steps: rec.StepsOf(k), weight: cur.facts[k].Weight.Float(), holder: p.session.ID})
			}
		}
	}
	return o.startMeasurement(m)
}

// remeasure begins anew a measurement that an earlier sitting did not end. Its round must be the last one: the next
// commit would have waited for it.
func (o *owner) remeasure(rec record.Round) error {
	m := &measurement{round: rec, next: o.start.hash, began: time.Now()}
	if rec.Number != o.last.Number || len(o.replay) > 0 {
		m.why = "the coordinator was interrupted, and the model is gone"
		return o.concludeMeasurement(m)
	}
	if o.measuresDrift(rec.Number) && o.async == nil {
		planned := o.algorithm.Plan(o.job, rec.Number).Shards()
		shards := analysis.MeasuredShards(o.job.Seed, rec.Number, planned, o.spec.Drift.Shards)
		for i, k := range rec.Participants {
			if slices.Contains(shards, k) {
				m.drift = append(m.drift, &driftTask{shard: k, steps: rec.StepsOf(k), weight: float64(rec.Weights[i])})
			}
		}
	}
	return o.startMeasurement(m)
}

func (o *owner) startMeasurement(m *measurement) error {
	o.pending = m
	m.study = o.planStudy(m.round, m.next)
	if o.measuresRank(m.round.Number) {
		m.ranks = due
		m.model = o.c.models.hold(m.next)
		o.rank(m)
	}
	o.askForDrift()
	return o.settleMeasurement()
}

// rank measures the layers beside the next round. The goroutine ends before execute returns.
func (o *owner) rank(m *measurement) {
	number, block := m.round.Number, o.model(m.model.block)
	opts := analysis.RankOptions{Epsilon: o.spec.Rank.Epsilon, MaxSide: o.spec.Rank.MaxSide}
	layout := o.job.Net.Layout()
	ctx, stop := context.WithCancel(context.Background())
	o.stopRanking = stop
	o.background.Go(func() {
		defer stop()
		var w analysis.Workspace
		layers, err := w.Layers(ctx, layout, block, opts)
		o.inbox.put(ranked{number, layers, err})
	})
}

func (o *owner) onRanked(e ranked) error {
	m := o.pending
	if m == nil || m.round.Number != e.round {
		return nil
	}
	m.ranks = finished
	m.model.release()
	m.model = nil
	if e.err != nil {
		m.why = e.err.Error()
	}
	full := o.spec.Rank.KeepsSpectra(e.round)
	for _, l := range e.layers {
		m.layers = append(m.layers, layerRecord(l, o.positions(l.Name), o.spec.Rank.Epsilon, full))
	}
	return o.settleMeasurement()
}

// askForDrift gives every open task that nobody measures to a worker: the one that holds the end, or any other that can
// train the shard; and the study to whoever can make it.
func (o *owner) askForDrift() {
	m := o.pending
	if m == nil {
		return
	}
	byWorker := make(map[round.WorkerID]*wire.Measure)
	idle := o.askForStudy(m)
	workers := o.readyWorkers()
	for _, t := range m.drift {
		if !t.open() || t.asked != 0 {
			continue
		}
		if t.asked = t.choose(workers); t.asked == 0 {
			idle = true
			continue
		}
		order := byWorker[t.asked]
		if order == nil {
			order = &wire.Measure{
				Key:   wire.Key{Run: o.run.ID, Round: m.round.Number},
				Start: cmp.Or(m.round.Start, m.round.StartModel), Model: m.next, Probe: o.spec.Drift.Probe,
			}
			byWorker[t.asked] = order
		}
		order.Shards, order.Steps = append(order.Shards, t.shard), append(order.Steps, t.steps)
	}
	for _, p := range workers {
		if order := byWorker[p.session.ID]; order != nil {
			o.tell(p.session.ID, *order)
		}
	}
	if !idle {
		m.absent = time.Time{}
	} else if m.absent.IsZero() {
		m.absent = time.Now()
	}
}

func (t *driftTask) choose(workers []*participant) round.WorkerID {
	var other round.WorkerID
	for _, p := range workers {
		id := p.session.ID
		if slices.Contains(t.tried, id) || !p.serves.Contains(t.shard) {
			continue
		}
		if id == t.holder {
			return id
		}
		if other == 0 {
			other = id
		}
	}
	return other
}

// lose takes back what a lost worker was to measure.
func (m *measurement) lose(id round.WorkerID) {
	for _, t := range m.drift {
		if t.asked == id {
			t.asked = 0
		}
	}
	m.study.lose(id)
}

// drop gives up the model of a measurement that will not end.
func (m *measurement) drop() {
	if m.model != nil {
		m.model.release()
		m.model = nil
	}
}

func (o *owner) driftTask(p *participant, k wire.Key, shard int) *driftTask {
	m := o.pending
	if m == nil || k.Run != o.run.ID || k.Round != m.round.Number {
		return nil
	}
	for _, t := range m.drift {
		if t.shard == shard && t.asked == p.session.ID && t.open() {
			return t
		}
	}
	return nil
}

func (o *owner) onSample(p *participant, s wire.DriftSample) error {
	t := o.driftTask(p, s.Key, s.Sample.Shard)
	if t == nil {
		return nil
	}
	s.Sample.Weight = t.weight
	for i := range s.Modules {
		s.Modules[i].Weight = t.weight
	}
	t.sample = &s
	return o.settleMeasurement()
}

func (o *owner) onDriftFailed(p *participant, f wire.DriftFailed) error {
	t := o.driftTask(p, f.Key, f.Shard)
	if t == nil {
		return nil
	}
	o.log.Warn("drift not measured", "worker", p.name(), "round", f.Round, "shard", f.Shard, "why", f.Reason)
	t.tried, t.asked = append(t.tried, p.session.ID), 0
	if len(t.tried) >= maxDriftTries || o.states.size > 0 && t.choose(o.readyWorkers()) == 0 {
		t.why = f.Reason // where shards have states only the worker that holds the end can measure: others need not be waited for
	}
	o.askForDrift()
	return o.settleMeasurement()
}

// maxDriftTries bounds how many workers are asked to measure one shard before its reason is believed.
const maxDriftTries = 3

// settleMeasurement commits the measurement once all of it is there.
func (o *owner) settleMeasurement() error {
	m := o.pending
	if m == nil || m.ranks == due || m.study.open() || slices.ContainsFunc(m.drift, (*driftTask).open) {
		return nil
	}
	o.pending = nil
	return o.concludeMeasurement(m)
}

func (o *owner) concludeMeasurement(m *measurement) error {
	rec := record.Measured{
		Round: m.round.Number, Layers: m.layers, LayersReason: m.why,
		Seconds: time.Since(m.began).Seconds(), Time: time.Now(),
	}
	o.addDrift(&rec, m)
	o.addStudy(&rec, m)
	if _, err := o.c.store.AppendMeasured(o.run.ID, rec); err != nil {
		return fmt.Errorf("committing the measurement of round %d: %w", m.round.Number, err)
	}
	o.checkLaws()
	o.c.changed.fire()
	return nil
}

func (o *owner) addDrift(rec *record.Measured, m *measurement) {
	var samples []wire.DriftSample
	for _, t := range m.drift {
		if t.why != "" {
			rec.DriftReason = fmt.Sprintf("shard %d: %s", t.shard, t.why)
			return
		}
		samples = append(samples, *t.sample)
	}
	switch {
	case len(samples) > 0:
		d, err := combineDrift(samples)
		if err != nil {
			rec.DriftReason = err.Error()
			return
		}
		d.Model = record.ModelNext
		if o.algorithm.Rule.TakesMean() {
			d.Model = record.ModelMean
		}
		rec.Drift = d
	case o.measuresDrift(m.round.Number) && o.async != nil:
		rec.DriftReason = "not measured in asynchronous rounds, whose updates start from different models"
	case o.measuresDrift(m.round.Number):
		rec.DriftReason = cmp.Or(m.why, "no measured shard answered")
	}
}

// awaitMeasurement handles events until no measurement is due. What no worker can measure is given up after a while.
func (o *owner) awaitMeasurement(ctx context.Context) error {
	if o.pending != nil {
		o.say("measure", true)
	}
	for o.pending != nil {
		wake := o.pending.deadline(o.c.cfg.MeasureGiveUp)
		if wake.IsZero() || time.Now().Before(wake) {
			if err := o.next(ctx, wake); err != nil {
				return err
			}
			continue
		}
		o.pending.giveUp(o.c.cfg.MeasureGiveUp)
		if err := o.settleMeasurement(); err != nil {
			return err
		}
	}
	return nil
}

// deadline is when the tasks that no worker can do are given up; zero: there is none.
func (m *measurement) deadline(after time.Duration) time.Time {
	if m.absent.IsZero() {
		return m.absent
	}
	return m.absent.Add(after)
}

func (m *measurement) giveUp(after time.Duration) {
	m.absent = time.Time{}
	for _, t := range m.drift {
		if t.open() && t.asked == 0 {
			t.why = fmt.Sprintf("no worker could measure it for %v", after)
		}
	}
	m.study.giveUp(after)
}
