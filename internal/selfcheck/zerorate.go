package selfcheck

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// zeroRateProperty makes a round with the local learning rate 0: every task ends where it started, and from a single update
// the rule makes the start model again. Running statistics of batch norm have no learning rate and are left out.
var zeroRateProperty = property{
	name:     "with learning rate 0 nothing moves",
	expected: exactly,
	measure:  measureZeroRate,
}

func measureZeroRate(ctx context.Context, s *Subject, c *code) (finding, error) {
	still := *s.job
	l := &still.Local
	l.SGD.LR, l.Rates, l.Warmup = 0, nil, localsgd.Warmup{}
	if l.AdamW != nil {
		a := *l.AdamW
		a.LR = 0
		l.AdamW = &a
	}
	o := c.open(&setting{&still, s.algorithm})
	updates, err := c.trainAll(ctx, o)
	if err != nil {
		return finding{}, err
	}
	moved := 0
	for _, u := range updates {
		moved += movedIn(still.Net.Layout(), o.start, u.end)
	}
	detail := plural(len(updates), "task")
	if leastOf(s.algorithm.Rule) == 1 && !combines(s.algorithm.Rule) && !asynchronous(s.algorithm.Rule) {
		alone := still
		alone.Shards = still.Shards[:1]
		model, err := c.rounds(ctx, &alone, s.algorithm, 1)
		if err != nil {
			return finding{}, err
		}
		moved += movedIn(still.Net.Layout(), o.start, model)
		detail += fmt.Sprintf(", and a round of one shard under %s", s.algorithm.Rule.Name())
	}
	f := finding{measured: "the same bits", detail: detail, holds: moved == 0}
	if moved > 0 {
		f.measured = fmt.Sprintf("%d numbers moved", moved)
	}
	return f, nil
}

// combines tells whether a rule needs all updates at once, and computes with them.
func combines(rule localsgd.Rule) bool {
	_, is := rule.(localsgd.Combiner)
	return is
}

// movedIn counts the parameters of a model that differ. Zeros of both signs are alike.
func movedIn(layout *tensor.Layout, from, to []float32) int {
	n := 0
	for i := range layout.Len() {
		v := layout.At(i)
		if v.Buffer {
			continue
		}
		for j, x := range tensor.Of(from, v) {
			if !(to[v.Offset+j] == x) {
				n++
			}
		}
	}
	return n
}
