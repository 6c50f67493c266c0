package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// measure is a shard's drift that is wanted.
type measure struct {
	wire.Key
	shard, steps int
	start, model tensor.Hash
	probe        int
}

func (m measure) end() endKey { return endKey{m.Round, m.start, m.shard} }

// measurement is the measure that a slot works on.
type measurement struct {
	measure
	cancel context.CancelFunc
}

// maxMeasures bounds the measurements that wait.
const maxMeasures = 1 << 12

// measure queues measurements.
func (a *agent) measure(m wire.Measure) {
	run := a.run
	open := run != nil && run.ready && run.announced.Run == m.Run && m.Round >= 1
	for i, s := range m.Shards {
		one := measure{Key: m.Key, shard: s, start: m.Start, model: m.Model, probe: m.Probe}
		if m.Steps != nil {
			one.steps = m.Steps[i]
		}
		switch {
		case !open:
			a.failMeasure(one, fmt.Sprintf("%v is not open at this worker", m.Key))
		case s >= len(run.gear.job.Shards):
			a.failMeasure(one, fmt.Sprintf("the run has %d shards", len(run.gear.job.Shards)))
		case !run.has(s):
			a.failMeasure(one, "this worker does not have the shard")
		case len(run.measures) >= maxMeasures:
			a.failMeasure(one, fmt.Sprintf("%d measurements wait already", len(run.measures)))
		case !slices.Contains(run.measures, one):
			run.measures = append(run.measures, one)
			run.latest = m.Model
		}
	}
}

func (a *agent) failMeasure(m measure, reason string) {
	a.log.Warn("a measurement failed", "key", m.Key, "shard", m.shard, "why", reason)
	a.say(wire.DriftFailed{Key: m.Key, Shard: m.shard, Reason: reason})
}

// measureNext begins the next measurement if the models are there that it needs: the one to compare with, and the start
// if the end has to be computed again.
func (a *agent) measureNext(s *slot) bool {
	run := a.run
	if run.measuring != nil || len(run.measures) == 0 {
		return false
	}
	m := run.measures[0]
	target := a.model(m.model)
	var start *model
	if !run.ends.has(m.end()) {
		start = a.model(m.start)
	}
	if target == nil || start == nil && !run.ends.has(m.end()) {
		return false
	}
	run.measures = slices.Delete(run.measures, 0, 1)
	ctx, cancel := context.WithCancel(context.Background())
	run.measuring = &measurement{m, cancel}
	j := &comparison{measure: m, gear: run.gear, target: target, start: start, end: run.ends.take(m.end())}
	if start != nil {
		j.end = run.gear.block()
		start.uses++
	}
	target.uses++
	s.hand.give(func() event {
		sample, err := j.compute(ctx, s)
		return measured{run, j, sample, err}
	})
	return true
}

// comparison is what a slot needs for a measurement.
type comparison struct {
	measure
	gear          *gear
	target, start *model // start is nil where the end is there
	end           []float32
}

func (c *comparison) compute(ctx context.Context, s *slot) (wire.DriftSample, error) {
	job := c.gear.job
	if c.start != nil && c.gear.size > 0 {
		return wire.DriftSample{}, errors.New("the task cannot be repeated: its shard's state has moved on")
	}
	if c.start != nil {
		if _, err := s.use(job).Train(ctx, localsgd.Task{Round: c.Round, Shard: c.shard, Steps: c.steps}, c.start.grid, localsgd.Blocks{Start: c.start.block, End: c.end}); err != nil {
			return wire.DriftSample{}, fmt.Errorf("repeating the task: %w", err)
		}
	}
	if c.gear.meter == nil || c.gear.probe != c.probe {
		c.gear.meter, c.gear.probe = study.NewDriftMeter(job, c.probe), c.probe
	}
	n := job.Net.Parameters()
	d, err := c.gear.meter.Measure(c.shard, c.end[:n], c.target.block[:n])
	return wire.DriftSample{Key: c.Key, Probe: d.Probe, Sample: d.Sample, Modules: d.Modules, Flips: d.Flips}, err
}

// measured tells how a measurement ended.
type measured struct {
	run    *run
	done   *comparison
	sample wire.DriftSample
	err    error
}

func (e measured) apply(a *agent) {
	e.run.measuring.cancel()
	e.run.measuring = nil
	e.done.target.uses--
	if e.done.start != nil {
		e.done.start.uses--
	}
	e.done.gear.takeBack(e.done.end)
	switch {
	case a.run != e.run || !e.run.ready: // who wanted it is gone, and asks again
	case e.err != nil:
		a.failMeasure(e.done.measure, e.err.Error())
	default:
		a.say(e.sample)
	}
}
