package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/activity"
)

// measureIdentity says P2's sums for the average model: "identity.spectral", "identity.frobenius" and "bias_norm" of
// each hidden layer from the second on, "identity.sum" and "bias_norm.sum", and "movement", how far states move from activation to
// activation on the evaluated examples.
func measureIdentity(ctx context.Context, m *measurement) error {
	depth, err := activity.MeasureDepth(&m.workspace, m.net(), m.model)
	if err != nil {
		return fmt.Errorf("distance from the identity: %w", err)
	}
	if depth.Reason != "" {
		m.miss("identity", depth.Reason)
	} else {
		for _, l := range depth.Layers {
			m.say("identity.spectral", m.average().in(l.Name), l.Spectral)
			m.say("identity.frobenius", m.average().in(l.Name), l.Frobenius)
			m.say("bias_norm", m.average().in(l.Name), l.Bias)
		}
		m.say("identity.sum", m.average(), depth.SumP)
		m.say("bias_norm.sum", m.average(), depth.SumB)
	}
	e := m.evaluate()
	if e == nil {
		m.miss("movement", noTest)
		return nil
	}
	movement := activity.NewMovement(m.net())
	if err := e.passes().show(ctx, m.model, movement, nil); err != nil {
		return err
	}
	for i, l := range movement.Layers() {
		if i > 0 {
			m.sayIf("movement", m.average().in(l.Name), l.Relative, l.Reason)
		}
	}
	return nil
}
