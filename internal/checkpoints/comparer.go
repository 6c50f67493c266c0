package checkpoints

import (
	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
)

// comparing compares one model with the mean of all, as a whole and by layer of the files.
type comparing func(i int, block []float32) (analysis.Sample, []analysis.ModuleSample, error)

// comparer returns what compares models with their mean and counts the gates that differ meanwhile. Without data gradients are 0, so that
// only distances mean anything.
func (m *meter) comparer(mean []float32) (comparing, flipTaker) {
	if m.subject == nil {
		none := make([]float32, m.layout.Size())
		return func(i int, block []float32) (whole analysis.Sample, parts []analysis.ModuleSample, err error) {
			end, model := analysis.Point{Params: block, Gradient: none}, analysis.Point{Params: mean, Gradient: none}
			if whole, err = analysis.Compare(i, m.layout, end, model); err != nil {
				return whole, nil, err
			}
			parts, err = analysis.CompareModules(i, m.layout, end, model)
			return whole, parts, err
		}, noFlips{}
	}
	machine, batch := m.subject.probe()
	flips := activity.NewFlipCounter(m.net)
	machine.Watch(flips)
	measurer := analysis.NewMeasurer(m.layout, machine)
	return func(i int, block []float32) (analysis.Sample, []analysis.ModuleSample, error) {
		return measurer.MeasureModules(i, block, mean, batch)
	}, flips
}

// flipTaker gives the fractions of gates that differed, over all comparisons.
type flipTaker interface{ Take() []activity.Flip }

type noFlips struct{}

// Take implements flipTaker.
func (noFlips) Take() []activity.Flip { return nil }
