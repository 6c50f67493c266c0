package coordinator

import (
	"sync/atomic"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// Progress says where a run stands between two entries of its chain, and whom it waits for.
type Progress struct {
	Run        string
	Round      int
	Invited    int
	Answered   int
	Workers    int    // that take part
	Phase      string // gather, plan, train, aggregate, evaluate, commit, committed, or measure
	WaitingFor string // in words; empty: nothing
	Awaited    []string
	Since      time.Time // when the wait began
	Until      time.Time // its deadline; zero: heartbeats alone bound it
}

// wait is a wait outside the machine of a round.
type wait struct {
	what         string
	since, until time.Time
}

// progressEvery bounds how often progress is published while a phase goes on.
const progressEvery = 100 * time.Millisecond

// progressBoard publishes progress for whoever looks.
type progressBoard struct {
	current atomic.Pointer[Progress]
	written time.Time // by the owner
}

// say publishes the progress: always at the start of a phase, otherwise not too often.
func (o *owner) say(phase string, always bool) {
	if !always && time.Since(o.progress.written) < progressEvery {
		return
	}
	o.progress.written = time.Now()
	p := &Progress{Run: o.run.ID, Round: o.last.Number, Phase: phase, Workers: len(o.readyWorkers())}
	if cur := o.current; cur != nil {
		var wait round.Wait
		p.Round = cur.number
		p.Invited, p.Answered, wait = o.standing()
		p.WaitingFor, p.Awaited, p.Since, p.Until = wait.Reason, wait.Workers, wait.Since, wait.Until
	}
	if m := o.pending; m != nil && phase == "measure" {
		p.WaitingFor, p.Since = "waiting for the measurement of a round", m.began
		if !m.absent.IsZero() {
			p.WaitingFor, p.Since = "waiting for a worker that can measure a round", m.absent
			p.Until = m.absent.Add(o.c.cfg.MeasureGiveUp)
		}
	}
	if w := o.waiting; w != nil {
		p.WaitingFor, p.Since, p.Until = w.what, w.since, w.until
	}
	o.progress.current.Store(p)
	// The phases are also what a test of kills at every phase looks at.
	if always {
		o.log.Debug("phase", "phase", phase, "round", p.Round)
	}
	o.c.changed.fire()
}

// standing says how far the round at hand is, and what it waits for: of how many shards have answered, or in an asynchronous
// run how many updates have come in of those that it takes.
func (o *owner) standing() (wanted, have int, wait round.Wait) {
	if o.async == nil {
		count := o.current.machine.Progress()
		return count.Invited, count.Answered, o.current.machine.Wait()
	}
	if o.async.machine == nil {
		return o.async.rule.Capacity(), 0, wait
	}
	count := o.async.machine.Progress()
	return count.Capacity, count.Counted, o.async.machine.Wait()
}

// WorkerStatus is a worker in Status.
type WorkerStatus struct {
	Name   string
	Slots  int
	Shards round.ShardSet
	Build  string
	Since  time.Time
}

// Status is what a coordinator does now.
type Status struct {
	Workers  []WorkerStatus // by name
	Progress *Progress      // of the active run; nil: there is none
	Up, Down int64          // bytes on the wire since the start
}
