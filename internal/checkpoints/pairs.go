package checkpoints

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// mostPairs bounds how many pairs of models are looked at.
const mostPairs = 100

// pairs compares each model with each that follows it.
func (m *meter) pairs(ctx context.Context) error {
	loss, err := m.subject.recalibratedLoss(ctx)
	if err != nil {
		m.note("no barrier: " + err.Error())
	}
	barriers, aligned := &barrierMean{name: "barrier", loss: loss}, &barrierMean{name: "barrier.aligned", loss: loss}
	for i, a := range m.models {
		for _, b := range m.models[i+1:] {
			if len(m.Pairs) == mostPairs {
				m.note(fmt.Sprintf("only the first %d pairs of models were compared", mostPairs))
				m.sayBarriers(barriers, aligned)
				return nil
			}
			at := Place{Model: a.Name, Other: b.Name}
			m.Pairs = append(m.Pairs, Pair{a.Name, b.Name})
			m.sayDistance(at, a.Block, b.Block)
			if loss == nil {
				continue
			}
			if err := m.sayBarrier(at, a.Block, b.Block, barriers); err != nil {
				return err
			}
			if err := m.sayAligned(at, a.Block, b.Block, aligned); err != nil {
				return err
			}
		}
	}
	m.sayBarriers(barriers, aligned)
	return nil
}

// sayDistance says how far two models are from each other as vectors of parameters.
func (m *meter) sayDistance(at Place, a, b []float32) {
	dot, difference := 0.0, 0.0
	for i := range m.layout.Len() {
		view := m.layout.At(i)
		if view.Buffer {
			continue
		}
		x, y := tensor.Of(a, view), tensor.Of(b, view)
		for j := range x {
			d := float64(x[j]) - float64(y[j])
			dot += float64(x[j]) * float64(y[j])
			difference += d * d
		}
	}
	distance := math.Sqrt(difference)
	m.say("distance", at, distance)
	scale := length(m.layout, a) * length(m.layout, b)
	if scale == 0 {
		m.sayIf("distance_rel", at, nil)
		m.sayIf("params_cosine", at, nil)
		return
	}
	m.say("distance_rel", at, distance/math.Sqrt(scale))
	m.say("params_cosine", at, max(-1, min(1, dot/scale)))
}

// lossOf is the loss of a block that it may change.
type lossOf func(params []float32) (float64, error)

// barrierMean is the mean and the largest of barriers, and how many of all units changed their places before.
type barrierMean struct {
	name         string
	loss         lossOf
	sum, largest float64
	n            int
	moved, units int
}

func (m *meter) sayBarrier(at Place, a, b []float32, all *barrierMean) error {
	barrier, err := averaging.MeasureBarrier(a, b, all.loss)
	if err != nil {
		return err
	}
	m.say(all.name, at, barrier.Height)
	m.say(all.name+".alpha", at, barrier.Alpha)
	all.sum, all.largest, all.n = all.sum+barrier.Height, max(all.largest, barrier.Height), all.n+1
	return nil
}

// sayAligned says the barrier after the hidden units of b were brought into the order of a's, and how many moved.
func (m *meter) sayAligned(at Place, a, b []float32, all *barrierMean) error {
	if !m.opts.Align {
		return nil
	}
	aligned, reason := averaging.Align(m.net, a, b)
	if aligned == nil {
		m.note("no alignment: " + reason)
		return nil
	}
	moved, units := 0, 0
	for _, order := range aligned.Permutations {
		for i, j := range order {
			units++
			if i != j {
				moved++
			}
		}
	}
	all.moved, all.units = all.moved+moved, all.units+units
	m.say("aligned.moved", at, float64(moved)/float64(units))
	return m.sayBarrier(at, a, aligned.Params, all)
}

// sayBarriers says the mean and the largest barrier over the pairs, as a run does.
func (m *meter) sayBarriers(barriers, aligned *barrierMean) {
	for _, b := range []*barrierMean{barriers, aligned} {
		if b.n > 0 {
			m.say(b.name, ofAverage, b.sum/float64(b.n))
			m.say(b.name+".max", ofAverage, b.largest)
		}
	}
	if aligned.units > 0 {
		m.say("aligned.moved", ofAverage, float64(aligned.moved)/float64(aligned.units))
	}
}

// agreement says how many gates differ between two models (M7), and how many agree on average (M15), on the probe.
func (m *meter) agreement() error {
	if m.subject == nil {
		return nil
	}
	machine, _ := m.subject.probe()
	recorder := activity.NewRecorder(m.net)
	machine.Watch(recorder)
	patterns := map[string]activity.Pattern{}
	var all []activity.Pattern
	for _, model := range m.models {
		examples := first(min(Probe, m.subject.job.Data.Train.Len()))
		machine.Forward(model.Block, localsgd.Fill(machine, m.subject.job.Data.Train, examples))
		patterns[model.Name] = recorder.Take()
		all = append(all, patterns[model.Name])
	}
	for _, p := range m.Pairs {
		flips, err := activity.Flips(patterns[p.A], patterns[p.B])
		if err != nil {
			return err
		}
		for _, f := range flips {
			m.say("flips", Place{Model: p.A, Other: p.B, Layer: f.Name}, f.Fraction)
		}
	}
	agree, err := activity.Agree(all)
	for _, a := range agree {
		m.say("agreement", ofAverage.in(a.Name), a.Fraction)
	}
	return err
}
