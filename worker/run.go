package worker

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// run is the run that the coordinator has announced, and all that the worker holds of it.
type run struct {
	announced wire.StartRun
	gear      *gear // nil: not loaded yet
	data      shard.Fingerprint
	own       *workload.Own // nil unless the worker brings its own shards
	asked     bool          // StartRun of this session is not answered
	ready     bool          // RunReady has gone out in this session

	rounds []*round // ascending; none: none was assigned

	models map[tensor.Hash]*model
	latest tensor.Hash // the model of the last Measure: normally the next start
	fetch  context.CancelFunc

	measures  []measure
	measuring *measurement
	studies   []wire.Study
	studying  *conducted
	scores    []score
	scoring   *scoring
	ends      ends
}

func sameRun(a, b wire.StartRun) bool {
	return a.Run == b.Run && bytes.Equal(a.Spec, b.Spec) && a.Layout == b.Layout && a.Data == b.Data
}

// startRun takes the announcement of a run. One that comes again finds everything as it was.
func (a *agent) startRun(m wire.StartRun) {
	if a.run == nil || !sameRun(a.run.announced, m) {
		a.closeRun()
		a.run = &run{announced: m, models: map[tensor.Hash]*model{}}
	}
	a.run.detach()
	a.run.asked = true
}

// detach forgets what belongs to a session: the coordinator hands out anew what has not begun.
func (r *run) detach() {
	r.asked, r.ready = false, false
	r.measures, r.studies, r.scores = nil, nil, nil
	for _, round := range r.rounds {
		round.detach()
	}
}

// closeRun forgets the run. What hands still hold of it comes back to its gear.
func (a *agent) closeRun() {
	if a.run == nil {
		return
	}
	a.run.cancel()
	for len(a.run.rounds) > 0 {
		a.endRound(a.run.rounds[0])
	}
	for _, m := range a.run.models {
		if a.run.gear != nil && m.uses == 0 {
			a.run.gear.takeBack(m.block)
		}
	}
	a.run.ends.clear(a.run.gear)
	if gear := a.run.gear; gear != nil && gear.travels {
		a.left = append(a.left, a.run.announced.Run)
	}
	a.run = nil
}

// cancel ends the run's computations and its fetch; nothing is said of them any more.
func (r *run) cancel() {
	r.detach()
	for _, round := range r.rounds {
		round.revoke()
	}
	if r.measuring != nil {
		r.measuring.cancel()
	}
	if r.studying != nil {
		r.studying.cancel()
	}
	if r.scoring != nil {
		r.scoring.cancel()
	}
	if r.fetch != nil {
		r.fetch()
	}
}

// loadRun orders the run's job once nothing of an earlier run is in use any more, so that two are never in memory.
func (a *agent) loadRun() {
	run := a.run
	if run == nil || run.gear != nil || a.working() {
		return
	}
	if a.gear != nil && !a.loader.has(run.announced.Spec) {
		a.gear = nil
		for _, s := range a.slots {
			s.trainer, s.job = nil, nil
		}
	}
	loader, announced := a.loader, run.announced
	a.load.give(func() event { return loaded{run, loader.load(announced)} })
}

// forgetRuns orders that states of runs that are over are removed, once nothing of a run is under way. The run that is worked on
// may be one that was left, and has come again.
func (a *agent) forgetRuns() {
	if len(a.left) == 0 || a.working() {
		return
	}
	loader, over := a.loader, a.left
	a.left = nil
	if a.run != nil {
		over = slices.DeleteFunc(over, func(run string) bool { return run == a.run.announced.Run })
	}
	a.load.give(func() event {
		loader.forget(over)
		return forgotten{}
	})
}

// forgotten says that states of runs are gone.
type forgotten struct{}

func (forgotten) apply(*agent) {}

// working tells whether any hand has something to do.
func (a *agent) working() bool {
	for _, s := range a.slots {
		if s.hand.busy {
			return true
		}
	}
	return a.load.busy || a.pusher.busy || a.fetcher.busy
}

type loaded struct {
	run *run
	err error
}

func (e loaded) apply(a *agent) {
	run := e.run
	if a.run != run {
		return
	}
	if e.err != nil {
		a.log.Warn("cannot take part in a run", "run", run.announced.Run, "why", e.err)
		if run.asked {
			a.say(wire.RunRefused{Run: run.announced.Run, Reason: e.err.Error()})
		}
		a.run = nil
		return
	}
	a.gear = a.loader.gear
	run.gear, run.data, run.own = a.gear, a.loader.print, a.loader.own
}

// answerStart answers StartRun once the run is loaded and no result is on its way from an earlier session.
func (a *agent) answerStart() {
	run := a.run
	if run == nil || run.gear == nil || !run.asked || a.pusher.busy {
		return
	}
	run.asked, run.ready = false, true
	ready := wire.RunReady{Run: run.announced.Run, Data: run.data, Own: run.brought()}
	for _, r := range run.rounds {
		ready.Holding = append(ready.Holding, r.offer()...)
	}
	if gear := run.gear; gear.size > 0 && !gear.travels {
		ready.States = gear.held(ready.Run, a.log)
	}
	a.say(ready)
	a.log.Info("ready for a run", "run", ready.Run, "holding", len(ready.Holding))
}

// brought lists the shards that this worker has brought.
func (r *run) brought() (own []wire.OwnShard) {
	if r.own == nil {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(r.own.Parts)) {
		own = append(own, wire.OwnShard{Shard: k, Part: r.own.Parts[k]})
	}
	return own
}

// has tells whether the shard's examples are here.
func (r *run) has(shard int) bool { return len(r.gear.job.Shards[shard]) > 0 }
