package selfcheck

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
)

// Verdict is what came of a property.
type Verdict string

// The verdicts.
const (
	Holds         Verdict = "holds"
	Fails         Verdict = "fails"
	NotApplicable Verdict = "not applicable"
)

// Result is a row of the table.
type Result struct {
	Property string // what must hold
	Expected string // how exactly
	Measured string // empty if not applicable
	Verdict  Verdict
	Detail   string // how it was measured, or the reason why it was not
}

// property is a law. reason says why it does not apply to a subject, empty if it does.
type property struct {
	name, expected string
	reason         func(s *Subject) string
	measure        func(ctx context.Context, s *Subject, c *code) (finding, error)
}

// finding is a measurement and what it means.
type finding struct {
	measured, detail string
	holds            bool
}

// properties are all, in the order of the table. A new one is one more line here.
func properties() []property {
	return []property{
		gradientProperty, joinedProperty, joinedSingleProperty, oneShardProperty, orderProperty, arrivalProperty,
		conservationProperty, weightsProperty, zeroRateProperty, resumeProperty, kernelsProperty, parallelProperty, evaluationProperty,
	}
}

// Check measures every property of the subject. It returns the context's error when that ends it early.
func Check(ctx context.Context, s *Subject) ([]Result, error) { return check(ctx, s, theCode()) }

func check(ctx context.Context, s *Subject, c *code) ([]Result, error) {
	var all []Result
	for _, p := range properties() {
		r := p.check(ctx, s, c)
		if err := ctx.Err(); err != nil {
			return all, fmt.Errorf("checking %q: %w", p.name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// check measures one property. Training that diverges says nothing about it; any other error is a failure.
func (p property) check(ctx context.Context, s *Subject, c *code) Result {
	r := Result{Property: p.name, Expected: p.expected, Verdict: NotApplicable}
	if p.reason != nil {
		if r.Detail = p.reason(s); r.Detail != "" {
			return r
		}
	}
	f, err := p.measure(ctx, s, c)
	switch {
	case errors.Is(err, localsgd.ErrDiverged) || errors.Is(err, localsgd.ErrRange):
		r.Detail = "training diverges: " + err.Error()
		return r
	case err != nil:
		r.Verdict, r.Detail = Fails, err.Error()
		return r
	}
	r.Measured, r.Detail, r.Verdict = f.measured, f.detail, Fails
	if f.holds {
		r.Verdict = Holds
	}
	return r
}

// reasons returns the first reason whose condition holds.
func reasons(all ...string) string {
	for _, reason := range all {
		if reason != "" {
			return reason
		}
	}
	return ""
}

// when is a reason under a condition.
func when(condition bool, reason string) string {
	if condition {
		return reason
	}
	return ""
}
