package localsgd

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"pgregory.net/rapid"
)

// combined returns what a rule makes of updates, by shard, with the given weights.
func combined(t testing.TB, layout *tensor.Layout, rule Combiner, blocks [][]float32, weights []Weight) []float32 {
	t.Helper()
	u := &heldUpdates{}
	for k, b := range blocks {
		u.add(Share{k, weights[k]}, b)
	}
	if err := checkCount(rule, len(blocks)); err != nil {
		t.Fatal(err)
	}
	c := &Combination{Layout: layout, Updates: u, Start: make([]float32, layout.Size()), Next: make([]float32, layout.Size())}
	if err := rule.Combine(c); err != nil {
		t.Fatal(err)
	}
	return c.Next
}

// cloud draws updates around a common point, and weights of no pattern.
func cloud(t testing.TB, seed uint64, n int, layout *tensor.Layout) (blocks [][]float32, weights []Weight) {
	s := keyed.New(seed, "cloud")
	center := make([]float64, layout.Size())
	for j := range center {
		center[j] = s.Normal()
	}
	var examples []int
	for range n {
		b := make([]float32, layout.Size())
		for j := range b {
			b[j] = float32(center[j] + 0.1*s.Normal())
		}
		blocks, examples = append(blocks, b), append(examples, 1+s.Below(50))
	}
	return blocks, Weights(examples, ByExamples)
}

// The oracles: plain loops over columns and vectors.

func plainTrimmed(vectors []vector, drop int) vector {
	result := make(vector, len(vectors[0]))
	for j := range result {
		var column []float64
		for _, v := range vectors {
			column = append(column, v[j])
		}
		slices.Sort(column)
		for _, x := range column[drop : len(column)-drop] {
			result[j] += x / float64(len(column)-2*drop)
		}
	}
	return result
}

// plainKrumOrder returns the vectors' numbers, the lowest score first.
func plainKrumOrder(vectors []vector, f int) (order []int) {
	scores := make([]float64, len(vectors))
	for i, v := range vectors {
		var distances []float64
		for j, w := range vectors {
			if i != j {
				distances = append(distances, math.Pow(v.minus(w).norm(), 2))
			}
		}
		slices.Sort(distances)
		for _, d := range distances[:len(vectors)-f-2] {
			scores[i] += d
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(scores[i], scores[j]) })
	return order
}

func plainUniform(vectors []vector, chosen []int) vector {
	var some []vector
	for _, i := range chosen {
		some = append(some, vectors[i])
	}
	return plainMean(slices.Repeat([]float64{1}, len(some)), some)
}

// plainRFA is the authors' loop: it keeps the point, and looks at the objective after each step.
func plainRFA(vectors []vector, weights []Weight, g GeometricMedian) vector {
	var a []float64
	total := 0.0
	for _, w := range weights {
		total += float64(w)
	}
	for _, w := range weights {
		a = append(a, float64(w)/total)
	}
	objective := func(z vector) (sum float64) {
		for i, v := range vectors {
			sum += a[i] * z.minus(v).norm()
		}
		return sum
	}
	z := plainMean(a, vectors)
	before := objective(z)
	for range g.Iterations {
		var b []float64
		for i, v := range vectors {
			b = append(b, a[i]/max(g.Eps, z.minus(v).norm()))
		}
		z = plainMean(b, vectors)
		now := objective(z)
		if math.Abs(before-now) < g.Tolerance*now {
			break
		}
		before = now
	}
	return z
}

// plainClipped is the mean of updates that are clipped to a ball around 0, where combined has the start; the bound 0 is the median
// of their norms.
func plainClipped(vectors []vector, weights []Weight, bound float64) vector {
	if bound == 0 {
		var norms []vector
		for _, v := range vectors {
			norms = append(norms, vector{v.norm()})
		}
		bound = plainTrimmed(norms, (len(norms)-1)/2)[0]
	}
	var clipped []vector
	var a []float64
	for i, v := range vectors {
		scaled := slices.Clone(v)
		for j := range scaled {
			scaled[j] *= min(1, bound/v.norm())
		}
		clipped, a = append(clipped, scaled), append(a, float64(weights[i]))
	}
	return plainMean(a, clipped)
}

// near compares with a float64 oracle: as close as the rounding to float32 and that of some sums.
func near(t *testing.T, what string, got []float32, want vector) {
	t.Helper()
	for j, x := range want {
		if !(math.Abs(float64(got[j])-x) <= 0x1p-23*math.Abs(x)+1e-12) {
			t.Errorf("%s: element %d is %v, want %v", what, j, got[j], x)
			return
		}
	}
}

// The rules against plain loops, for odd and even numbers of updates, and more than a block of elements.
func TestRobustRulesAreTheirFormulas(t *testing.T) {
	for _, size := range []int{1, 7, combineBlock + 301} {
		layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{1, size}}, tensor.Desc{Name: "0.bias", Shape: []int{3}})
		for n := 5; n <= 12; n++ {
			blocks, weights := cloud(t, uint64(100*n+size), n, layout)
			var vectors []vector
			for _, b := range blocks {
				vectors = append(vectors, widened[float64](b))
			}
			rfa := GeometricMedian{Iterations: 4, Eps: 1e-5, Tolerance: 1e-6}
			long := GeometricMedian{Iterations: 50, Eps: 0.2, Tolerance: 1e-3}
			order := plainKrumOrder(vectors, 1)
			for _, c := range []struct {
				rule Combiner
				want vector
			}{
				{Median{}, plainTrimmed(vectors, (n-1)/2)},
				{TrimmedMean{Beta: 0}, plainTrimmed(vectors, 0)},
				{TrimmedMean{Beta: 0.2}, plainTrimmed(vectors, n/5)},
				{TrimmedMean{Beta: 0.49}, plainTrimmed(vectors, int(0.49*float64(n)))},
				{Krum{F: 1}, vectors[order[0]]},
				{MultiKrum{F: 1, M: 3}, plainUniform(vectors, order[:3])},
				{MultiKrum{F: 1}, plainUniform(vectors, order[:n-3])},
				{rfa, plainRFA(vectors, weights, rfa)},
				{long, plainRFA(vectors, weights, long)},
				{NormClipping{}, plainClipped(vectors, weights, 0)},
				{NormClipping{Bound: 0.5}, plainClipped(vectors, weights, 0.5)},
				{NormClipping{Bound: 1e6}, plainClipped(vectors, weights, 1e6)},
			} {
				near(t, fmt.Sprintf("%+v of %d updates of %d elements", c.rule, n, size), combined(t, layout, c.rule, blocks, weights), c.want)
			}
		}
	}
}

// drawn are updates for a property: n of a few elements, of which the last f are the same huge vector.
func drawn(t *rapid.T, layout *tensor.Layout, least func(f int) int) (blocks [][]float32, f int) {
	f = rapid.IntRange(0, 3).Draw(t, "f")
	n := rapid.IntRange(least(f), least(f)+4).Draw(t, "n")
	values := rapid.SliceOfN(rapid.Float32Range(-10, 10), layout.Size(), layout.Size())
	for i := range n - f {
		blocks = append(blocks, values.Draw(t, fmt.Sprint("update", i)))
	}
	huge := rapid.SliceOfN(rapid.SampledFrom([]float32{-1e9, 1e9}), layout.Size(), layout.Size()).Draw(t, "attack")
	for range f {
		blocks = append(blocks, huge)
	}
	return blocks, f
}

func evenWeights(n int) []Weight { return slices.Repeat([]Weight{One / Weight(n)}, n) }

// f copies of a huge vector move the mean as far as they like, and no median or trimmed mean out of the range of the others.
func TestMediansStayInTheHonestRange(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{2, 2}})
	rapid.Check(t, func(rt *rapid.T) {
		blocks, f := drawn(rt, layout, func(f int) int { return 2*f + 1 })
		n, weights := len(blocks), evenWeights(len(blocks))
		beta := math.Min(0.499, float64(f)/float64(n)) // 2f + 1 of n: less than a half
		got := [][]float32{combined(t, layout, Median{}, blocks, weights), combined(t, layout, TrimmedMean{Beta: beta}, blocks, weights)}
		mean := combined(t, layout, TrimmedMean{}, blocks, weights)
		for j := range layout.Size() {
			low, high := float32(math.Inf(1)), float32(math.Inf(-1))
			for _, b := range blocks[:n-f] {
				low, high = min(low, b[j]), max(high, b[j])
			}
			for _, g := range got {
				if g[j] < low || g[j] > high {
					rt.Fatalf("element %d is %v, the honest ones are in [%v, %v]", j, g[j], low, high)
				}
			}
			if f > 0 && mean[j] >= low && mean[j] <= high {
				rt.Fatalf("the mean of element %d is %v, in spite of the attack", j, mean[j])
			}
		}
	})
}

// Krum returns an honest update, and multi-Krum averages honest ones, wherever n >= 2f + 3.
func TestKrumReturnsAnHonestUpdate(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{2, 2}})
	rapid.Check(t, func(rt *rapid.T) {
		blocks, f := drawn(rt, layout, func(f int) int { return 2*f + 3 })
		weights := evenWeights(len(blocks))
		got := combined(t, layout, Krum{F: f}, blocks, weights)
		if !slices.ContainsFunc(blocks[:len(blocks)-f], func(b []float32) bool { return slices.Equal(b, got) }) {
			rt.Fatalf("krum returned %v", got)
		}
		for j, x := range combined(t, layout, MultiKrum{F: f}, blocks, weights) {
			if math.Abs(float64(x)) > 10 {
				rt.Fatalf("element %d of multi_krum is %v", j, x)
			}
		}
	})
}

// The geometric median is the point where the unit vectors to the updates cancel, and a minority of any kind moves it no
// further than a multiple of the honest updates' radius (Pillutla et al. 2019, Lemma 3).
func TestGeometricMedianIsAFixedPoint(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{3, 2}})
	rule := GeometricMedian{Iterations: 3000, Eps: 1e-9}
	for seed := range uint64(20) {
		blocks, weights := cloud(t, seed, 9, layout)
		z := widened[float64](combined(t, layout, rule, blocks, weights))
		pull := make(vector, len(z))
		for i, b := range blocks {
			away := vector(z).minus(widened[float64](b))
			pull = pull.plus(weights[i].Float()/away.norm(), away)
		}
		if pull.norm() > 1e-5 { // z was rounded to 2^-24 of values of about 1, at distances of about 0.2
			t.Errorf("seed %d: unit vectors add up to %g", seed, pull.norm())
		}
		honest := vector(plainUniform([]vector{widened[float64](blocks[0]), widened[float64](blocks[1]), widened[float64](blocks[2]),
			widened[float64](blocks[3]), widened[float64](blocks[4])}, []int{0, 1, 2, 3, 4}))
		radius := 0.0
		for i, b := range blocks {
			if i < 5 {
				radius = max(radius, honest.minus(widened[float64](b)).norm())
				continue
			}
			for j := range b {
				b[j] = 1e6
			}
		}
		moved := honest.minus(widened[float64](combined(t, layout, rule, blocks, evenWeights(9)))).norm()
		if const49 := 2 * (1 - 4.0/9) / (1 - 8.0/9); moved > const49*radius {
			t.Errorf("seed %d: 4 of 9 moved it by %g, the radius is %g", seed, moved, radius)
		}
	}
}

var robustRules = []Combiner{Median{}, TrimmedMean{Beta: 0.2}, Krum{F: 1}, MultiKrum{F: 1, M: 3}, GeometricMedian{Iterations: 4, Eps: 1e-5, Tolerance: 1e-6},
	NormClipping{}}

// Which shard an update is of does not matter: not at all for choices and medians, and to rounding where many are summed.
func TestRobustRulesDoNotDependOnTheOrder(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{3, 400}})
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(5, 9).Draw(rt, "n")
		blocks, _ := cloud(t, rapid.Uint64().Draw(rt, "seed"), n, layout)
		weights := evenWeights(n)
		shuffled := rapid.Permutation(blocks).Draw(rt, "order")
		for _, rule := range robustRules {
			a, b := combined(t, layout, rule, blocks, weights), combined(t, layout, rule, shuffled, weights)
			bound := 0.0
			switch rule.(type) {
			case MultiKrum, GeometricMedian, NormClipping:
				bound = 0x1p-21 // the last bit of a value below 8
			}
			if d := maxDifference(a, b); d > bound || bound == 0 && !slices.Equal(bitsOf(a), bitsOf(b)) {
				rt.Fatalf("%+v differs by %g", rule, d)
			}
		}
	})
}

// The number of goroutines changes no bit, over more than a chunk.
func TestRobustRulesDoNotDependOnThreads(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{700, 400}})
	blocks, weights := cloud(t, 5, 9, layout)
	if combineNumbers/9 > layout.Size() {
		t.Fatal("the updates fit into one chunk")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, rule := range robustRules {
		runtime.GOMAXPROCS(1)
		want := bitsOf(combined(t, layout, rule, blocks, weights))
		for _, processors := range []int{2, 5} {
			runtime.GOMAXPROCS(processors)
			if !slices.Equal(bitsOf(combined(t, layout, rule, blocks, weights)), want) {
				t.Errorf("%+v: other bits on %d processors", rule, processors)
			}
		}
	}
}

// Differences count from the start: whatever one of five sends, the model moves by no more than the bound, as the formula says.
func TestNormClippingCountsFromTheStart(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{2, 700}})
	blocks, weights := cloud(t, 8, 5, layout)
	start := blocks[0]
	blocks = append(blocks[1:], slices.Repeat([]float32{-1e9}, layout.Size()))
	u := &heldUpdates{}
	var differences []vector
	for k, b := range blocks {
		u.add(Share{k, weights[k]}, b)
		differences = append(differences, vector(widened[float64](b)).minus(widened[float64](start)))
	}
	next := make([]float32, layout.Size())
	if err := (NormClipping{Bound: 2}).Combine(&Combination{Layout: layout, Updates: u, Start: start, Next: next}); err != nil {
		t.Fatal(err)
	}
	want := plainClipped(differences, weights, 2)
	for j, x := range start {
		want[j] += float64(x)
	}
	near(t, "clipped to 2", next, want)
	if moved := vector(widened[float64](next)).minus(widened[float64](start)).norm(); moved > 2 {
		t.Errorf("moved by %g, the bound is 2", moved)
	}
}

// Krum looks at parameters alone: running statistics choose nobody.
func TestKrumIgnoresBuffers(t *testing.T) {
	layout := testLayout(t, tensor.Desc{Name: "0.weight", Shape: []int{2, 3}}, tensor.Desc{Name: "1.running_mean", Shape: []int{2}, Buffer: true},
		tensor.Desc{Name: "2.weight", Shape: []int{1, 2}})
	blocks, weights := cloud(t, 3, 7, layout)
	want := combined(t, layout, Krum{F: 1}, blocks, weights)
	statistics, _ := layout.Lookup("1.running_mean")
	for k, b := range blocks {
		for j := range tensor.Of(b, statistics) {
			tensor.Of(b, statistics)[j] += float32(1000 * k * k)
		}
	}
	got := combined(t, layout, Krum{F: 1}, blocks, weights)
	clear(tensor.Of(want, statistics))
	clear(tensor.Of(got, statistics))
	if !slices.Equal(got, want) {
		t.Error("running statistics have changed the choice")
	}
}

func TestCombinersNeedUpdates(t *testing.T) {
	for _, c := range []struct {
		rule Combiner
		n    int
	}{{Krum{F: 2}, 7}, {MultiKrum{F: 1}, 5}, {MultiKrum{F: 1, M: 9}, 9}, {Median{}, 1}, {TrimmedMean{Beta: 0.49}, 1},
		{NormClipping{}, 1}} {
		if err := checkCount(c.rule, c.n); err != nil {
			t.Error(err)
		}
		if err := checkCount(c.rule, c.n-1); !errors.Is(err, ErrTooFewUpdates) {
			t.Errorf("%+v of %d updates: %v, want ErrTooFewUpdates", c.rule, c.n-1, err)
		}
	}
	layout := testLayout(t)
	blocks, _ := cloud(t, 1, 1, layout)
	for _, rule := range []Combiner{Median{}, TrimmedMean{Beta: 0.49}, GeometricMedian{Iterations: 4, Eps: 1e-5}, NormClipping{}} {
		if got := combined(t, layout, rule, blocks, []Weight{One}); !slices.Equal(bitsOf(got), bitsOf(blocks[0])) {
			t.Errorf("%+v of one update is not the update", rule)
		}
	}
}

func BenchmarkCombine(b *testing.B) {
	layout := testLayout(b, tensor.Desc{Name: "0.weight", Shape: []int{1000, 200}})
	for _, n := range []int{20, 64} {
		blocks, weights := cloud(b, 5, n, layout)
		for _, rule := range robustRules {
			b.Run(fmt.Sprintf("%s/%d", rule.Name(), n), func(b *testing.B) {
				for b.Loop() {
					combined(b, layout, rule, blocks, weights)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n*layout.Size()), "ns/number")
			})
		}
	}
}
