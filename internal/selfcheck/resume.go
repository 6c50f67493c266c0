package selfcheck

import (
	"context"
	"fmt"
	"slices"
)

// resumeProperty makes rounds without a break and with one in the middle, after which everything but the state is new: the
// model, what the rule remembers, and what shards remember have to be the same.
var resumeProperty = property{
	name:     "a run that is resumed is the run",
	expected: exactly,
	measure:  measureResume,
}

func measureResume(ctx context.Context, s *Subject, c *code) (finding, error) {
	if asynchronous(s.algorithm.Rule) {
		return measureAsyncResume(ctx, s, c)
	}
	run := s.setting()
	if s.partial.Partial {
		run.algorithm.Participation = s.partial
	}
	want, err := c.goOn(ctx, run, nil, maxRounds)
	if err != nil {
		return finding{}, err
	}
	middle, err := c.goOn(ctx, run, nil, maxRounds/2)
	if err != nil {
		return finding{}, err
	}
	got, err := c.goOn(ctx, run, &middle, maxRounds)
	if err != nil {
		return finding{}, err
	}
	detail := fmt.Sprintf("%s, with a break after %d", plural(maxRounds, "round"), maxRounds/2)
	if s.partial.Partial {
		detail += fmt.Sprintf(", %d of %d shards taking part", s.partial.Count, len(s.job.Shards))
	}
	blocks, others := slices.Concat([][]float32{want.Block}, want.Shards), slices.Concat([][]float32{got.Block}, got.Shards)
	if len(blocks) != len(others) || got.Round != want.Round {
		return finding{measured: "another state", detail: detail}, nil
	}
	for k := range blocks {
		if len(blocks[k]) != len(others[k]) {
			return finding{measured: "another state of a shard", detail: detail}, nil
		}
	}
	return same(slices.Concat(others...), slices.Concat(blocks...), detail), nil
}
