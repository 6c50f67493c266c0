package selfcheck

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// orderProperty takes the mean of the first round's updates in several orders, and grouped into partial sums, as workers and
// coordinator group them.
var orderProperty = property{
	name:     "the mean knows no order and no grouping",
	expected: exactly,
	reason:   func(s *Subject) string { return when(len(s.job.Shards) == 1, "there is one shard") },
	measure:  measureOrder,
}

const orders = 8

func measureOrder(ctx context.Context, s *Subject, c *code) (finding, error) {
	o := c.open(s.setting())
	updates, err := c.trainAll(ctx, o)
	if err != nil {
		return finding{}, err
	}
	first, err := c.mean(o.grid, [][]update{updates})
	if err != nil {
		return finding{}, err
	}
	stream := keyed.New(s.job.Seed, "selfcheck order")
	others := 0
	for range orders {
		got, err := c.mean(o.grid, shuffled(stream, updates))
		if err != nil {
			return finding{}, err
		}
		if tensor.HashBlock(got) != tensor.HashBlock(first) {
			others++
		}
	}
	f := finding{measured: "the same bits", holds: others == 0, detail: fmt.Sprintf("%d updates of the first round in %d orders and groupings", len(updates), orders+1)}
	if !f.holds {
		f.measured = fmt.Sprintf("%d of %d orders give other bits", others, orders)
	}
	return f, nil
}

// shuffled returns the updates in a drawn order, cut into groups at drawn places.
func shuffled(stream *keyed.Stream, updates []update) [][]update {
	groups := [][]update{nil}
	for _, i := range stream.Perm(len(updates)) {
		last := &groups[len(groups)-1]
		*last = append(*last, updates[i])
		if stream.Below(2) == 0 {
			groups = append(groups, nil)
		}
	}
	return groups
}
