package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// model is a block of parameters that the coordinator has sent, for any number of readers.
type model struct {
	hash  tensor.Hash
	block []float32
	grid  *localsgd.Grid
	uses  int // tasks and measurements that read it now
}

// model returns the model with this hash, or nil until it is there: then it is fetched, once for whoever wants it.
func (a *agent) model(hash tensor.Hash) *model {
	run := a.run
	if m := run.models[hash]; m != nil {
		return m
	}
	if a.fetcher.busy || a.link == nil || !run.ready {
		return nil
	}
	ctx, cancel := context.WithCancel(a.link.ctx)
	run.fetch = cancel
	want := wire.Fetch{Session: a.link.session, Run: run.announced.Run, Model: hash}
	link, gear, backoff, m := a.link, run.gear, a.cfg.Backoff, &model{hash: hash, block: run.gear.block()}
	a.fetcher.give(func() event {
		err := link.obtain(ctx, want, gear.job.Layout(), m, backoff)
		return fetched{run, gear, link, m, err}
	})
	return nil
}

// errModel says that a model that was fetched whole is not what it should be.
var errModel = errors.New("not the model that was asked for")

// obtain fetches a model into m.block, again and again while the session lasts and the network is at fault.
func (l *link) obtain(ctx context.Context, want wire.Fetch, layout *tensor.Layout, m *model, pause Backoff) error {
	if err := l.obtainBlock(ctx, want, m.block, pause); err != nil {
		return err
	}
	if err := localsgd.CheckFinite(layout, m.block); err != nil {
		return fmt.Errorf("%w: %w", errModel, err)
	}
	m.grid = localsgd.NewGrid(layout, m.block)
	return nil
}

// obtainBlock is obtain for anything that the coordinator knows by its hash.
func (l *link) obtainBlock(ctx context.Context, want wire.Fetch, block []float32, pause Backoff) error {
	for failures := 0; ; failures++ {
		err := l.fetchOnce(ctx, want, block)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || errors.Is(err, errModel) || !transient(err):
			return err
		}
		pause.wait(ctx, failures)
	}
}

func (l *link) fetchOnce(ctx context.Context, want wire.Fetch, block []float32) error {
	w := &blockWriter{rest: block, hash: sha256.New()}
	if err := l.fetch(ctx, want, 4*int64(len(block)), w); err != nil {
		return err
	}
	if got := tensor.Hash(w.hash.Sum(nil)); got != want.Model {
		return fmt.Errorf("%w: SHA-256 %s, want %s", errModel, got, want.Model)
	}
	return nil
}

// blockWriter decodes a model's bytes, in pieces of any size, and hashes them. It takes no more than the block's.
type blockWriter struct {
	rest []float32
	part []byte // the beginning of a value
	hash hash.Hash
}

// Write implements io.Writer.
func (w *blockWriter) Write(p []byte) (int, error) {
	w.hash.Write(p)
	n := len(p)
	if len(w.part) > 0 {
		missing := min(4-len(w.part), len(p))
		w.part, p = append(w.part, p[:missing]...), p[missing:]
		if len(w.part) < 4 {
			return n, nil
		}
		tensor.Decode(w.rest[:1], w.part)
		w.rest, w.part = w.rest[1:], w.part[:0]
	}
	values := len(p) / 4
	tensor.Decode(w.rest[:values], p[:4*values])
	w.rest, w.part = w.rest[values:], append(w.part, p[4*values:]...)
	return n, nil
}

// fetched tells that a model is there, or why not.
type fetched struct {
	run   *run
	gear  *gear
	link  *link
	model *model
	err   error
}

func (e fetched) apply(a *agent) {
	over := e.link.over()
	e.run.fetch()
	e.run.fetch = nil
	switch {
	case a.run != e.run:
		e.gear.takeBack(e.model.block)
	case e.err == nil:
		e.run.models[e.model.hash] = e.model
	default:
		e.gear.takeBack(e.model.block)
		if !over { // with the session, whoever wants it is gone or will want it again
			a.failModel(e.model.hash, fmt.Sprintf("fetching model %s: %v", e.model.hash, e.err))
		}
	}
}

// failModel gives up everything that waits for a model.
func (a *agent) failModel(hash tensor.Hash, reason string) {
	for _, r := range a.run.rounds {
		if r.start != hash {
			continue
		}
		for _, t := range r.tasks {
			a.failTask(r, t.Shard, reason)
		}
		r.tasks = nil
	}
	a.failScores(hash, reason)
	a.failStudies(func(m wire.Study) bool { return m.Start == hash || m.Model == hash }, reason)
	a.run.measures = slices.DeleteFunc(a.run.measures, func(m measure) bool {
		needed := m.model == hash || m.start == hash && !a.run.ends.has(m.end())
		if needed {
			a.failMeasure(m, reason)
		}
		return needed
	})
}

// sweepModels lets go of the models that nobody needs: what stays is the newest round's start, the model that was measured last,
// which is normally the next start, and what is in use or waited for.
func (a *agent) sweepModels() {
	run := a.run
	if run == nil || run.gear == nil {
		return
	}
	for hash, m := range run.models {
		if m.uses == 0 && !run.wants(hash) {
			run.gear.takeBack(m.block)
			delete(run.models, hash)
		}
	}
}

func (r *run) wants(hash tensor.Hash) bool {
	if hash == r.latest {
		return true
	}
	for i, round := range r.rounds {
		if hash == round.start && (i == len(r.rounds)-1 || len(round.tasks) > 0) {
			return true
		}
	}
	if len(r.scores) > 0 && hash == r.scores[0].model {
		return true
	}
	if len(r.studies) > 0 && (hash == r.studies[0].Start || hash == r.studies[0].Model) {
		return true
	}
	return len(r.measures) > 0 && (hash == r.measures[0].start || hash == r.measures[0].model)
}
