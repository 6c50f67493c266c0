package selfcheck

import (
	"context"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
)

// arrivalProperty makes the rounds of an asynchronous rule, with updates that are too old to be fresh, and makes them again of
// their recorded updates, which come in the other way round.
var arrivalProperty = property{
	name:     "a round knows what came in, not in what order",
	expected: exactly,
	reason: func(s *Subject) string {
		return when(!asynchronous(s.algorithm.Rule), "rounds are planned: nothing depends on who is first")
	},
	measure: measureArrivals,
}

func asynchronous(rule localsgd.Rule) bool {
	_, is := rule.(localsgd.Asynchronous)
	return is
}

// cutBuffer makes an asynchronous rule one that a few shards fill.
func (s *Subject) cutBuffer() {
	rule, is := s.algorithm.Rule.(localsgd.FedBuff)
	if !is {
		return
	}
	if few := max(1, len(s.job.Shards)/2); rule.Buffer > few {
		s.note(true, "buffer: %d instead of %d", few, rule.Buffer)
		rule.Buffer = few
		s.algorithm.Rule = rule
	}
}

func measureArrivals(ctx context.Context, s *Subject, c *code) (finding, error) {
	run := s.setting()
	want, order, err := c.goOnAsync(ctx, run, nil, maxRounds)
	if err != nil {
		return finding{}, err
	}
	stale := 0
	for i, updates := range order {
		slices.Reverse(updates)
		for _, u := range updates {
			if u.Version < i {
				stale++
			}
		}
	}
	got, err := c.carry(ctx, run, order)
	if err != nil {
		return finding{}, err
	}
	detail := fmt.Sprintf("%s of %s each, of which %d started from an older model than the newest",
		plural(maxRounds, "round"), plural(len(order[0]), "update"), stale)
	return same(got.Block, want.Block, detail), nil
}

// measureAsyncResume is measureResume for an asynchronous rule.
func measureAsyncResume(ctx context.Context, s *Subject, c *code) (finding, error) {
	run := s.setting()
	want, _, err := c.goOnAsync(ctx, run, nil, maxRounds)
	if err != nil {
		return finding{}, err
	}
	middle, _, err := c.goOnAsync(ctx, run, nil, maxRounds/2)
	if err != nil {
		return finding{}, err
	}
	got, _, err := c.goOnAsync(ctx, run, &middle, maxRounds)
	if err != nil {
		return finding{}, err
	}
	detail := fmt.Sprintf("%s, with a break after %d", plural(maxRounds, "round"), maxRounds/2)
	return same(got.Block, want.Block, detail), nil
}

func goOnAsync(ctx context.Context, s *setting, from *localsgd.AsyncState, rounds int) (localsgd.AsyncState, [][]localsgd.Arrival, error) {
	r := &localsgd.AsyncRunner{Job: s.job, Algorithm: s.algorithm}
	if from != nil {
		if err := r.Resume(*from); err != nil {
			return localsgd.AsyncState{}, nil, err
		}
	}
	var order [][]localsgd.Arrival
	_, err := r.Run(ctx, rounds, func(f localsgd.AsyncFacts, _ []float32) error {
		order = append(order, slices.Clone(f.Arrivals))
		return nil
	})
	return r.State(), order, err
}

func carry(ctx context.Context, s *setting, rounds [][]localsgd.Arrival) (localsgd.AsyncState, error) {
	r := &localsgd.AsyncRunner{Job: s.job, Algorithm: s.algorithm}
	for _, updates := range rounds {
		if _, err := r.Carry(ctx, updates); err != nil {
			return localsgd.AsyncState{}, err
		}
	}
	return r.State(), nil
}
