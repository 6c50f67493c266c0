package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// DriftMeter measures one shard's drift and gate flips, as a whole and by layer, where the shard's data are. It costs two backward
// passes on the probe, whose forward passes count the flips, and holds two gradients and a machine for the largest probe. One
// goroutine uses it at a time.
type DriftMeter struct {
	job      *localsgd.Job
	probe    int
	machine  *relu.Machine[float32]
	batch    int // that machine can take
	gradient *analysis.Measurer
	flips    *activity.FlipCounter
}

// NewDriftMeter returns a DriftMeter on probes of so many examples (M3), 0: whole shards.
func NewDriftMeter(job *localsgd.Job, probe int) *DriftMeter {
	return &DriftMeter{job: job, probe: probe, flips: activity.NewFlipCounter(job.Net)}
}

// DriftSample is what one shard says.
type DriftSample struct {
	analysis.Sample                         // of the whole model
	Probe           int                     // examples of the probe
	Modules         []analysis.ModuleSample // by layer with parameters
	Flips           []activity.Flip         // by gated activation
}

// Measure compares the model that a shard's task ended with and the average, both of Job.Net's layout, on the shard's probe
// (M4 to M7). Weights of the samples are left 0. Params or gradients that are not finite give analysis.ErrNotFinite.
func (d *DriftMeter) Measure(k int, end, model []float32) (DriftSample, error) {
	probe := d.load(k)
	d.machine.Watch(d.flips)
	defer d.machine.Watch(nil)
	d.flips.Take()
	sample, modules, err := d.gradient.MeasureModules(k, end, model, probe)
	if err != nil {
		return DriftSample{}, fmt.Errorf("measuring drift: %w", err)
	}
	return DriftSample{Sample: sample, Probe: probe.N, Modules: modules, Flips: d.flips.Take()}, nil
}

// Halves returns the gradients at a model on both halves of the shard's probe; see analysis.Measurer.Halves.
func (d *DriftMeter) Halves(k int, model []float32) (a, b []float32) {
	probe := d.load(k) // first: the machine may grow
	return d.gradient.Halves(model, probe)
}

// load fills a shard's probe into the machine, which grows to the largest.
func (d *DriftMeter) load(k int) *relu.Batch[float32] {
	examples := shard.Probe(d.job.Seed, k, d.job.Shards[k], d.probe)
	if len(examples) > d.batch {
		d.batch = len(examples)
		d.machine = relu.NewMachine[float32](d.job.Net, d.batch)
		d.gradient = analysis.NewMeasurer(d.job.Net.Layout(), d.machine)
	}
	return localsgd.Fill(d.machine, d.job.Data.Train, examples)
}

// driftMeter returns the one of this measurement.
func (m *measurement) driftMeter() *DriftMeter {
	if m.drift == nil {
		m.drift = NewDriftMeter(m.Job, m.Probe)
	}
	return m.drift
}

// measureDrift says the quantities of M5 and M6 by the names of M20, and "flips" (M7): of the whole model, of each layer and, as
// far as they are a shard's, of each shard.
func measureDrift(ctx context.Context, m *measurement) error {
	var samples []analysis.Sample
	var modules [][]analysis.ModuleSample
	var flips [][]activity.Flip
	for i, k := range m.Shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := m.driftMeter().Measure(k, m.ends[i], m.model)
		if err != nil {
			return err
		}
		s.Weight = m.weights[i]
		for j := range s.Modules {
			s.Modules[j].Weight = m.weights[i]
			m.say("drift", of(k).against(m.Model()).in(s.Modules[j].Name), s.Modules[j].Drift)
		}
		m.say("drift", of(k).against(m.Model()), s.Drift)
		for _, f := range s.Flips {
			m.say("flips", of(k).against(m.Model()).in(f.Name), f.Fraction)
		}
		samples, modules, flips = append(samples, s.Sample), append(modules, s.Modules), append(flips, s.Flips)
	}
	return m.combineDrift(samples, modules, flips)
}

func (m *measurement) combineDrift(samples []analysis.Sample, modules [][]analysis.ModuleSample, flips [][]activity.Flip) error {
	all, err := analysis.Combine(samples)
	if err != nil {
		return fmt.Errorf("of all shards: %w", err)
	}
	m.sayDrift(m.average(), all)
	layers, err := analysis.CombineModules(modules)
	if err != nil {
		return fmt.Errorf("of all shards by layer: %w", err)
	}
	for _, l := range layers {
		m.sayDrift(m.average().in(l.Name), l.Drift)
	}
	mean, err := activity.MeanFlips(m.weights, flips)
	if err != nil {
		return fmt.Errorf("flips of all shards: %w", err)
	}
	for _, f := range mean {
		m.say("flips", m.average().in(f.Name), f.Fraction)
	}
	return nil
}

func (m *measurement) sayDrift(at place, d *analysis.Drift) {
	m.say("drift", at, d.Drift)
	m.sayIf("drift_rel", at, d.DriftRel, "the gradient at the model is 0")
	m.say("drift_max", at, d.DriftMax)
	m.sayIf("cosine", at, d.Cosine, "a gradient is 0")
	m.say("divergence", at, d.Divergence)
	m.sayIf("divergence_rel", at, d.DivergenceRel, "the model is 0")
	m.sayIf("lipschitz", at, d.Lipschitz, "no local model differs from the average")
}
