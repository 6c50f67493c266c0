package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/readings"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// conducted is the study that a slot works on.
type conducted struct {
	wire.Study
	start, model *model
	cancel       context.CancelFunc
}

// maxStudies bounds the studies that wait; the coordinator asks for one at a time.
const maxStudies = 4

// study queues a study.
func (a *agent) study(m wire.Study) {
	run := a.run
	switch {
	case run == nil || !run.ready || run.announced.Run != m.Run || m.Round < 1:
		a.failStudy(m, fmt.Sprintf("%v is not open at this worker", m.Key))
	case m.Tasks[len(m.Tasks)-1].Shard >= len(run.gear.job.Shards):
		a.failStudy(m, fmt.Sprintf("the run has %d shards", len(run.gear.job.Shards)))
	case slices.ContainsFunc(m.Shards, func(k int) bool { return !run.has(k) }):
		a.failStudy(m, "this worker does not have all the shards")
	case len(run.studies) >= maxStudies:
		a.failStudy(m, fmt.Sprintf("%d studies wait already", len(run.studies)))
	default:
		run.studies = append(run.studies, m)
		run.latest = m.Model
	}
}

func (a *agent) failStudy(m wire.Study, reason string) {
	a.log.Warn("a study failed", "key", m.Key, "why", reason)
	a.say(wire.StudyFailed{Key: m.Key, Reason: reason})
}

// failStudies gives up the studies that need a model.
func (a *agent) failStudies(lost func(wire.Study) bool, reason string) {
	a.run.studies = slices.DeleteFunc(a.run.studies, func(m wire.Study) bool {
		if lost(m) {
			a.failStudy(m, reason)
		}
		return lost(m)
	})
}

// studyNext begins the next study if both its models are there. One slot studies at a time.
func (a *agent) studyNext(s *slot) bool {
	run := a.run
	if run.studying != nil || len(run.studies) == 0 {
		return false
	}
	c := &conducted{Study: run.studies[0]}
	if c.model = a.model(c.Model); c.model == nil {
		return false
	}
	if c.start = a.model(c.Start); c.start == nil {
		return false
	}
	run.studies = slices.Delete(run.studies, 0, 1)
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	run.studying = c
	c.start.uses++
	c.model.uses++
	gear := run.gear
	a.log.Debug("study begins", "run", c.Run, "round", c.Round)
	s.hand.give(func() event {
		found, missing, err := c.conduct(ctx, gear)
		return studied{run, c, wire.Studied{Key: c.Key, Readings: found, Missing: missing}, err}
	})
	return true
}

// conduct makes the study, all of it in memory of its own but the models. It runs on the hand.
func (c *conducted) conduct(ctx context.Context, gear *gear) ([]study.Reading, []study.Missing, error) {
	s := gear.spec
	in := study.Input{
		Job: gear.job, Algorithm: gear.algorithm, Plan: localsgd.Plan{Round: c.Round}, Shards: c.Shards,
		Start: c.start.block, Next: c.model.block,
		Options: study.Options{Epsilon: s.Rank.Epsilon, MaxSide: s.Rank.MaxSide, Probe: s.Drift.Probe, Most: readings.Most},
	}
	for _, t := range c.Tasks {
		share := localsgd.Share{Shard: t.Shard, Weight: t.Weight}
		in.Plan.Tasks = append(in.Plan.Tasks, localsgd.PlannedTask{Share: share, Steps: t.Steps})
	}
	for _, name := range c.Studies {
		parts := studyParts[spec.Study(name)]
		if parts == nil {
			return nil, nil, fmt.Errorf("this build knows no study %q", name)
		}
		in.Want = append(in.Want, parts...)
		if name == string(spec.LocalRanks) && s.Rank.KeepsSpectra(c.Round) {
			in.Want = append(in.Want, study.LocalSpectra)
		}
	}
	found, missing, err := study.Round(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	// Only thousands of layers with long names get here: Most keeps the numbers themselves within both limits.
	if n := readings.Size(found); n > readings.MostBytes {
		return nil, nil, fmt.Errorf("%d numbers with %d bytes, want at most %d bytes: lower drift.shards", len(found), n, readings.MostBytes)
	}
	return found, missing, nil
}

// studyParts says which measurements belong to each key of checks.
var studyParts = map[spec.Study][]study.Study{
	spec.Heterogeneity: {study.Heterogeneity},
	spec.Updates:       {study.Updates},
	spec.LocalRanks:    {study.LocalRanks},
	spec.Noise:         {study.Noise},
	spec.Units:         {study.Units},
	spec.Entropy:       {study.Entropy},
	spec.Identity:      {study.Identity, study.ZeroInputs},
	spec.Norms:         {study.Norms},
	spec.Averaging:     {study.Curve, study.Barrier},
	spec.SawTooth:      {study.Sawtooth},
	spec.Prediction:    {study.Prediction, study.NullModel},
	spec.Alignment:     {study.Alignment},
	spec.Fluctuation:   {study.Fluctuation},
}

// studied tells how a study ended.
type studied struct {
	run    *run
	done   *conducted
	answer wire.Studied
	err    error
}

func (e studied) apply(a *agent) {
	e.run.studying.cancel()
	e.run.studying = nil
	e.done.start.uses--
	e.done.model.uses--
	a.log.Debug("study ends", "run", e.done.Run, "round", e.done.Round)
	switch {
	case a.run != e.run || !e.run.ready: // who wanted it is gone, and asks again
	case e.err != nil:
		a.failStudy(e.done.Study, e.err.Error())
	default:
		a.say(e.answer)
	}
}
