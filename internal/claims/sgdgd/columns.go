package sgdgd

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
)

const (
	// quickRounds is how many rounds in float32 a quick look follows.
	quickRounds = 5
	// wideLimit is how many examples there are in float64, which is slow.
	wideLimit = 6000
)

// columns returns the part of a first weight at these inputs, of so many.
func columns(inputs int, at []int) part {
	return func(weight []float64) float64 {
		sum := 0.0
		for row := weight; len(row) >= inputs; row = row[inputs:] {
			for _, j := range at {
				sum += row[j] * row[j]
			}
		}
		return math.Sqrt(sum)
	}
}

func measureColumns(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	return deadColumns(ctx, lab)
}

// deadColumns follows the columns at inputs that are zero in all training examples; extra changes are not known to the law.
func deadColumns(ctx context.Context, lab *claims.Lab, extra ...string) (*claims.Outcome, error) {
	narrow, err := prepare(lab, extra)
	if err != nil {
		return nil, err
	}
	if narrow.reason != "" {
		return &claims.Outcome{Setup: describe(narrow.told), Verdict: claims.NotTestable, Why: narrow.reason}, nil
	}
	wide, err := prepare(lab, extra, fmt.Sprint("shards.limit=", min(wideLimit, len(used(narrow.told.Job.Shards)))))
	if err != nil {
		return nil, err
	}
	rounds := narrow.told.Spec.Rounds
	quick := rounds
	if !lab.Sets("rounds") {
		quick = min(quickRounds, rounds)
	}
	t32, err := follow(ctx, narrow.done.Runner(), claims.Pick(lab, quick, rounds, rounds), narrow.law, narrow.part)
	if err != nil {
		return nil, err
	}
	t64, err := follow(ctx, wide.done.Runner64(), min(rounds, claims.Pick(lab, 2, 5, 10)), wide.law, wide.part)
	if err != nil {
		return nil, err
	}
	o := exact(t64.worst(0), t32.worst(0))
	last := len(t32.measured) - 1
	o.Setup = fmt.Sprintf("%s; %d inputs are always zero; %d rounds in float32, %d in float64 on %d examples", describe(narrow.told),
		len(narrow.dead), last, len(t64.measured)-1, len(used(wide.told.Job.Shards)))
	o.Measured += fmt.Sprintf("; norm of the columns %.6f, predicted %.6f", t32.measured[last], t32.predicted[last])
	drawColumns(lab, t32, len(narrow.dead))
	return o, nil
}

// inquiry is what P3.8 asks of one setting: the spec that the law is told, and the one that is trained.
type inquiry struct {
	told, done *claims.Setting
	law        law
	dead       []int
	part       part
	reason     string // why there is nothing to measure
}

func prepare(lab *claims.Lab, extra []string, changes ...string) (*inquiry, error) {
	told, err := lab.Setting("P3.8", changes...)
	if err != nil {
		return nil, err
	}
	done, err := lab.Setting("P3.8", append(changes, extra...)...)
	if err != nil {
		return nil, err
	}
	q := &inquiry{told: told, done: done}
	view, err := firstWeight(told.Job.Net)
	if err != nil {
		q.reason = err.Error()
		return q, nil
	}
	q.dead = theory.DeadInputs(told.Job.Data.Train, used(told.Job.Shards))
	q.law, q.reason = lawOf(told, view.Name)
	if q.reason == "" && len(q.dead) == 0 {
		q.reason = "no input is zero in every training example; centred inputs have no such columns"
	}
	q.part = columns(told.Job.Net.Inputs(), q.dead)
	return q, nil
}
