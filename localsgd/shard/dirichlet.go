package shard

import (
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/internal/detmath"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Form tells the two partitions apart that the literature calls Dirichlet.
type Form int

const (
	// ByClass splits each class over the shards by proportions drawn from Dir(alpha, ..., alpha) with one component a shard:
	// the common variant (Yurochkin et al. 2019, Li et al. 2022), and the default. Sizes are unequal, every example is used once.
	ByClass Form = iota
	// ByShard draws for each shard a mixture of classes from Dir(alpha p), p uniform over the C classes that occur (so each
	// component is alpha/C), and then the shard's examples by it, without replacement (Hsu et al. 2019). Sizes differ by at
	// most one, every example is used once.
	ByShard
)

// String returns the name of the form as the spec spells it.
func (f Form) String() string {
	switch f {
	case ByClass:
		return "by_class"
	case ByShard:
		return "by_shard"
	}
	return fmt.Sprintf("Form(%d)", int(f))
}

// Bounds of Dirichlet's Alpha: at the lower one a draw is a single class or shard for every practical purpose, at the
// upper one the split is even.
const (
	MinAlpha = 1e-6
	MaxAlpha = 1e6
)

// Dirichlet makes shards with more different labels the smaller Alpha is, in one of two forms.
//
// ByClass: for class c with n examples in keyed order, shard k gets those from floor(n q_0+..+q_(k-1)) to floor(n q_0+..+q_k).
// ByShard: shards are filled one after the other, one example at a time: a class is drawn by the shard's mixture among the
// classes that have examples left, and the class gives its next example in keyed order. Where the mixture leaves nothing
// (all its classes are used up), the class is drawn in proportion to what is left; so the last shards follow their mixtures
// less closely than the first ones.
type Dirichlet struct {
	Alpha float64 // MinAlpha to MaxAlpha
	Form  Form
}

func (Dirichlet) String() string { return "dirichlet" }
func (Dirichlet) random() bool   { return true }

func (p Dirichlet) assign(in *input) ([]int32, error) {
	if !(p.Alpha >= MinAlpha && p.Alpha <= MaxAlpha) {
		return nil, fmt.Errorf("alpha %v, want %v to %v", p.Alpha, MinAlpha, MaxAlpha)
	}
	classes, err := in.byClass()
	if err != nil {
		return nil, err
	}
	classes = slices.DeleteFunc(classes, func(examples []int32) bool { return len(examples) == 0 })
	for _, examples := range classes {
		in.stream(p, 1+uint64(in.labels[examples[0]])).Shuffle(examples)
	}
	switch p.Form {
	case ByClass:
		return p.byClass(in, classes), nil
	case ByShard:
		return p.byShard(in, classes), nil
	}
	return nil, fmt.Errorf("form %v, want %v or %v", p.Form, ByClass, ByShard)
}

func (p Dirichlet) byClass(in *input, classes [][]int32) []int32 {
	stream := in.stream(p, 0)
	owners := make([]int32, in.n)
	q := make([]float64, in.count)
	for _, examples := range classes {
		dirichlet(stream, p.Alpha, q)
		sum, from := 0.0, 0
		for k, share := range q {
			sum += share
			to := int(math.Floor(float64(sum * float64(len(examples)))))
			if k == len(q)-1 {
				to = len(examples) // whatever the shares' rounding errors add up to
			}
			to = min(max(to, from), len(examples))
			for _, i := range examples[from:to] {
				owners[i] = int32(k)
			}
			from = to
		}
	}
	return owners
}

func (p Dirichlet) byShard(in *input, classes [][]int32) []int32 {
	stream := in.stream(p, 0)
	owners := make([]int32, in.n)
	q := make([]float64, len(classes))
	left := make([]float64, len(classes))
	for k := range in.count {
		dirichlet(stream, float64(p.Alpha/float64(len(classes))), q)
		from, to := part(in.n, in.count, k)
		for range to - from {
			for c := range classes {
				left[c] = float64(len(classes[c]))
			}
			c := drawClass(stream, q, left)
			owners[classes[c][0]] = int32(k)
			classes[c] = classes[c][1:]
		}
	}
	return owners
}

// drawClass draws by q among the classes with left > 0, or by left if q gives these nothing.
func drawClass(stream *keyed.Stream, q, left []float64) int {
	total := 0.0
	for c, share := range q {
		if left[c] > 0 {
			total += share
		}
	}
	if total == 0 {
		q = left
		for _, n := range left {
			total += n
		}
	}
	at := float64(stream.Float64() * total)
	last := 0
	for c, share := range q {
		if left[c] == 0 || share == 0 {
			continue
		}
		last = c
		if at -= share; at < 0 {
			break
		}
	}
	return last
}

// dirichlet fills q with a draw from Dir(alpha, ..., alpha). It normalises logarithms after subtracting the largest, so
// that small alphas do not underflow to 0/0.
func dirichlet(stream *keyed.Stream, alpha float64, q []float64) {
	for i := range q {
		q[i] = stream.LogGamma(alpha)
	}
	largest := slices.Max(q)
	sum := 0.0
	for i := range q {
		q[i] = detmath.Exp(q[i] - largest)
		sum += q[i]
	}
	for i := range q {
		q[i] /= sum
	}
}
