package selfcheck

import (
	"context"
	"fmt"
	"math"
	"math/big"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// conservationProperty compares the mean of the first round's updates with that of rational numbers, and the mean of equal
// updates with each of them. Every update is rounded to half a quantum of its tensor (localsgd.Grid), and the mean to
// float32.
var conservationProperty = property{
	name:     "the mean keeps what it averages",
	expected: "half a quantum an update, half an ulp",
	reason: func(s *Subject) string {
		return when(len(s.job.Shards) == 1, "there is one shard: its update is the mean")
	},
	measure: measureConservation,
}

// weightsProperty adds up the weights of the first round, which are rounded to a grid.
var weightsProperty = property{
	name:     "the weights of a round add up to one",
	expected: "2^-49 a shard",
	measure:  measureWeights,
}

const (
	meanSamples = 50 // of each tensor
	weightUnit  = 2  // units that rounding may take of a weight
)

func measureConservation(ctx context.Context, s *Subject, c *code) (finding, error) {
	o := c.open(s.setting())
	updates, err := c.trainAll(ctx, o)
	if err != nil {
		return finding{}, err
	}
	equal := make([]update, len(updates))
	for i, u := range updates {
		equal[i] = update{u.Share, updates[0].end}
	}
	samples := sampled(s.job.Seed, o.grid.Layout())
	worst, where := 0.0, ""
	for _, all := range [][]update{updates, equal} {
		got, err := c.mean(o.grid, [][]update{all})
		if err != nil {
			return finding{}, err
		}
		for _, p := range samples {
			if off := p.off(o.grid, all, got[p.at]); !(off <= worst) || where == "" {
				worst, where = off, p.tensor.Name
			}
		}
	}
	return finding{
		measured: fmt.Sprintf("%.3f of that (%s)", worst, where), holds: worst <= 1+1e-9, // of float64 itself
		detail: fmt.Sprintf("%d numbers against rational arithmetic, of the first round's %d updates and of as many equal ones", len(samples), len(updates)),
	}, nil
}

// place is an element of a block.
type place struct {
	tensor tensor.View
	index  int // of the tensor
	at     int
}

// sampled returns some elements of every tensor.
func sampled(seed uint64, layout *tensor.Layout) []place {
	stream := keyed.New(seed, "selfcheck mean")
	var all []place
	for i := range layout.Len() {
		v := layout.At(i)
		for n := range min(meanSamples, v.Size) {
			j := n
			if v.Size > meanSamples {
				j = stream.Below(v.Size)
			}
			all = append(all, place{v, i, v.Offset + j})
		}
	}
	return all
}

// off returns the error of a mean in units of what it may have.
func (p place) off(g *localsgd.Grid, updates []update, got float32) float64 {
	sum, total := new(big.Rat), new(big.Rat)
	for _, u := range updates {
		w := new(big.Rat).SetFloat64(u.Weight.Float())
		total.Add(total, w)
		sum.Add(sum, w.Mul(w, new(big.Rat).SetFloat64(float64(u.end[p.at]))))
	}
	sum.Quo(sum, total)
	want, _ := sum.Float32()
	allowed := lastPlace(want) / 2
	if len(updates) > 1 {
		weight, _ := total.Float64()
		allowed += float64(len(updates)) / 2 * math.Ldexp(1, int(g.Quanta()[p.index])) / weight
	}
	off, _ := sum.Sub(sum, new(big.Rat).SetFloat64(float64(got))).Float64()
	return math.Abs(off) / allowed
}

// lastPlace is the distance of a float32 from the next larger one.
func lastPlace(x float32) float64 {
	x = float32(math.Abs(float64(x)))
	return float64(math.Nextafter32(x, math.MaxFloat32)) - float64(x)
}

func measureWeights(_ context.Context, s *Subject, c *code) (finding, error) {
	plan := c.plan(s.setting(), 1)
	var total localsgd.Weight
	for _, t := range plan.Tasks {
		total += t.Weight
	}
	missing := int64(localsgd.One) - int64(total)
	return finding{
		measured: fmt.Sprintf("1 - %d x 2^-50", missing), holds: missing >= 0 && missing <= int64(weightUnit*len(plan.Tasks)),
		detail: fmt.Sprintf("%s of the first round", plural(len(plan.Tasks), "shard")),
	}, nil
}
