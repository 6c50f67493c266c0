package coordinator

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// studyTask is what one worker has to find out about a round by repeating the tasks of its measured shards.
type studyTask struct {
	order  wire.Study
	asked  round.WorkerID // who makes it now; 0: nobody
	tried  []round.WorkerID
	answer *wire.Studied
	why    string // it cannot be had
}

func (t *studyTask) open() bool { return t != nil && t.answer == nil && t.why == "" }

// planStudy returns the study of a committed round, nil if none is due. It is a function of the spec and the round's record,
// so that it is the same after a restart.
func (o *owner) planStudy(rec record.Round, model tensor.Hash) *studyTask {
	due := o.spec.Studies.Due(rec.Number)
	if len(due) == 0 {
		return nil
	}
	t := &studyTask{order: wire.Study{
		Key: wire.Key{Run: o.run.ID, Round: rec.Number}, Start: cmp.Or(rec.Start, rec.StartModel), Model: model,
	}}
	for _, s := range due {
		t.order.Studies = append(t.order.Studies, string(s))
	}
	if t.why = study.Refuses(o.job, o.algorithm); t.why != "" {
		return t
	}
	planned := o.algorithm.Plan(o.job, rec.Number).Shards()
	chosen := analysis.MeasuredShards(o.job.Seed, rec.Number, planned, o.spec.Drift.Shards)
	for i, k := range rec.Participants {
		t.order.Tasks = append(t.order.Tasks, wire.StudiedTask{Shard: k, Weight: localsgd.Weight(rec.Weights[i]), Steps: rec.StepsOf(k)})
		if slices.Contains(chosen, k) {
			t.order.Shards = append(t.order.Shards, k)
		}
	}
	if len(t.order.Shards) == 0 {
		t.why = "no measured shard answered"
	}
	return t
}

// askForStudy gives the study to a worker that serves all its shards, each round to another one if there are several. It
// returns whether none is there that could make it.
func (o *owner) askForStudy(m *measurement) (idle bool) {
	t := m.study
	if !t.open() || t.asked != 0 {
		return false
	}
	workers := o.readyWorkers()
	able := slices.DeleteFunc(slices.Clone(workers), func(p *participant) bool {
		return slices.Contains(t.tried, p.session.ID) || !t.served(p)
	})
	switch {
	case len(able) > 0:
		t.asked = able[m.round.Number%len(able)].session.ID
		o.tell(t.asked, t.order)
	case t.divided(workers):
		t.why = fmt.Sprintf("no worker alone serves the measured shards %v", t.order.Shards)
	default:
		return true
	}
	return false
}

// served tells whether a worker serves all measured shards.
func (t *studyTask) served(p *participant) bool {
	return !slices.ContainsFunc(t.order.Shards, func(k int) bool { return !p.serves.Contains(k) })
}

// divided tells whether the workers serve all measured shards together, and none of them alone.
func (t *studyTask) divided(workers []*participant) bool {
	if slices.ContainsFunc(workers, t.served) {
		return false
	}
	return !slices.ContainsFunc(t.order.Shards, func(k int) bool {
		return !slices.ContainsFunc(workers, func(p *participant) bool { return p.serves.Contains(k) })
	})
}

// lose takes the study back from a lost worker.
func (t *studyTask) lose(id round.WorkerID) {
	if t != nil && t.asked == id {
		t.asked = 0
	}
}

// giveUp ends a study that nobody makes.
func (t *studyTask) giveUp(after time.Duration) {
	if t.open() && t.asked == 0 {
		t.why = fmt.Sprintf("no worker could make it for %v", after)
	}
}

// studied returns the study that a worker speaks of, nil if nobody waits for it.
func (o *owner) studied(p *participant, k wire.Key) *studyTask {
	m := o.pending
	if m == nil || k.Run != o.run.ID || k.Round != m.round.Number || !m.study.open() || m.study.asked != p.session.ID {
		return nil
	}
	return m.study
}

func (o *owner) onStudied(p *participant, s wire.Studied) error {
	t := o.studied(p, s.Key)
	if t == nil {
		return nil
	}
	t.answer = &s
	return o.settleMeasurement()
}

func (o *owner) onStudyFailed(p *participant, f wire.StudyFailed) error {
	t := o.studied(p, f.Key)
	if t == nil {
		return nil
	}
	o.log.Warn("round not studied", "worker", p.name(), "round", f.Round, "why", f.Reason)
	t.tried, t.asked = append(t.tried, p.session.ID), 0
	left := func(p *participant) bool { return t.served(p) && !slices.Contains(t.tried, p.session.ID) }
	if len(t.tried) >= maxDriftTries || !slices.ContainsFunc(o.readyWorkers(), left) {
		t.why = f.Reason
	}
	o.askForDrift()
	return o.settleMeasurement()
}

// addStudy says what the studies of the round gave, or why there is nothing.
func (o *owner) addStudy(rec *record.Measured, m *measurement) {
	if m.study != nil && m.study.answer != nil {
		rec.Readings, rec.Missing = m.study.answer.Readings, m.study.answer.Missing
		return
	}
	why := m.why
	if m.study != nil {
		why = m.study.why
	}
	for _, s := range o.spec.Studies.Due(m.round.Number) {
		rec.Missing = append(rec.Missing, study.Missing{Quantity: string(s), Reason: why})
	}
}

// positions returns at how many positions each example uses a tensor.
func (o *owner) positions(name string) int {
	for i := range o.job.Net.Layout().Len() {
		if o.job.Net.Layout().At(i).Name == name {
			return o.job.Net.Positions(i)
		}
	}
	return 0
}

// measureDue tells whether a Measured of a round will follow: shards are those whose drift is measured.
func (o *owner) measureDue(number int, shards []int) bool {
	return o.measuresRank(number) || len(shards) > 0 || o.async != nil && o.measuresDrift(number) || len(o.spec.Studies.Due(number)) > 0
}
