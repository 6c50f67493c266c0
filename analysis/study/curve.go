package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/averaging"
)

// meter is what averages are measured with.
func (m *measurement) meter(ctx context.Context) *averaging.Meter {
	meter := &averaging.Meter{Layout: m.layout(), Ranks: m.ranks(), Workspace: &m.workspace}
	if e := m.evaluate(); e != nil {
		meter.Score = func(params []float32) (loss, accuracy float64, err error) {
			s, err := e.score(ctx, params)
			return s.Loss, s.Accuracy, err
		}
	}
	return meter
}

// sayMeasured says what a meter has measured of one model.
func (m *measurement) sayMeasured(prefix string, at place, one averaging.Measured) {
	m.sayLayers(prefix, at, one.Layers)
	if one.Loss == nil {
		m.miss(prefix+"loss", noTest)
		return
	}
	m.say(prefix+"loss", at, *one.Loss)
	if m.Job.Data.Test.Classes > 0 {
		m.say(prefix+"accuracy", at, *one.Accuracy)
	}
}

// measureCurve says the averaging curve (7b): ranks, loss and accuracy of the mean of the first k measured local models,
// "curve.rank" and so on, with k for the step.
func measureCurve(ctx context.Context, m *measurement) error {
	points, err := averaging.Curve(ctx, m.meter(ctx), m.weights, m.ends)
	if err != nil {
		return fmt.Errorf("averaging: %w", err)
	}
	for k, point := range points {
		m.sayMeasured("curve.", whole.at(k+1).against(m.meanOf(k+1)), point)
	}
	return nil
}
