package synthetic

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func mustMake(t testing.TB, s Source) shard.Data {
	t.Helper()
	d, err := Make(s, shard.All)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Train.Validate(), d.Test.Validate()); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGolden: the same bits on every machine. A change of one of them changes everybody's runs on these data.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		source Source
		want   string // the first digits of the fingerprints' hashes
	}{
		{Linear{1, 10, 5, 30, 3, 0.1}, "ab1ca7c0 b54cf875 a5fcf732 b1b5db9c"},
		{Teacher{1, 20, 10, 8, 16, 2, 0.1}, "abea6ed9 a68c4b01 0537314a 3533d829"},
		{Gaussian{1, 25, 12, 32, 10, 0.6, 1}, "05005865 bff14f7f cdad8bec 1129a46c"},
		{Function{1, 10, 21, Sin3X, 0.1}, "2d7491ee c133ab0c 2aacc97c bb33f23c"},
		{FedProx{1, 1, 1, false, 3, 60, 10}, "e8d5b87c d172cb8e 6ec568eb d7aed14b"},
		{FedProx{1, 0, 0, true, 3, 60, 10}, "7bf18dbb d5d2001c 53c42f12 68a7602c"},
	} {
		f := mustMake(t, c.source).Fingerprint()
		got := ""
		for _, h := range []string{f.TrainX.String(), f.TrainY.String(), f.TestX.String(), f.TestY.String()} {
			got += h[:8] + " "
		}
		if got != c.want+" " {
			t.Errorf("%#v: %s, want %s", c.source, got, c.want)
		}
	}
}

// moments of values, and how many standard errors their mean is off if they should be N(mean, std^2).
func checkNormal(t *testing.T, what string, values []float32, mean, std float64) {
	t.Helper()
	var m, v float64
	n := float64(len(values))
	for _, x := range values {
		m += float64(x) / n
	}
	for _, x := range values {
		v += (float64(x) - m) * (float64(x) - m) / n
	}
	// Five standard errors: std/sqrt(n) of the mean, std^2 sqrt(2/n) of the variance.
	if math.Abs(m-mean) > 5*std/math.Sqrt(n) || math.Abs(v-std*std) > 5*std*std*math.Sqrt(2/n) {
		t.Errorf("%s: mean %v and variance %v of %v values, want %v and %v", what, m, v, n, mean, std*std)
	}
}

// Without noise the targets are one linear map of the inputs: solved from the first examples, it fits all others.
func TestLinear(t *testing.T) {
	d := mustMake(t, Linear{7, 5000, 100, 4, 2, 0})
	checkNormal(t, "inputs", d.Train.Values, 0, 0.5)
	for o := range 2 {
		w := solve(t, d.Train, o)
		for _, set := range []*shard.Set{d.Train, d.Test} {
			for i := range set.N {
				y := 0.0
				for j, v := range w {
					y += v * float64(set.Values[4*i+j])
				}
				// Targets are rounded to float32, which the elimination amplifies a little.
				if got := float64(set.Targets[2*i+o]); math.Abs(got-y) > 1e-5 {
					t.Fatalf("target %v of example %d, the map gives %v", got, i, y)
				}
			}
		}
	}
	noisy := mustMake(t, Linear{7, 5000, 100, 4, 2, 0.3})
	if clean := mustMake(t, Linear{7, 5000, 100, 4, 2, 0}); !slices.Equal(noisy.Test.Targets, clean.Test.Targets) {
		t.Error("the test targets have noise")
	}
}

// solve returns the row of weights that the first four examples have, by Gaussian elimination.
func solve(t *testing.T, s *shard.Set, o int) []float64 {
	t.Helper()
	a := make([][]float64, 4)
	for i := range a {
		for j := range 4 {
			a[i] = append(a[i], float64(s.Values[4*i+j]))
		}
		a[i] = append(a[i], float64(s.Targets[2*i+o]))
	}
	for c := range 4 {
		for r := c; r < 4; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[c][c]) {
				a[r], a[c] = a[c], a[r]
			}
		}
		for r := range 4 {
			if f := a[r][c] / a[c][c]; r != c {
				for j := range 5 {
					a[r][j] -= f * a[c][j]
				}
			}
		}
	}
	w := make([]float64, 4)
	for i := range w {
		w[i] = a[i][4] / a[i][i]
	}
	return w
}

// Targets of a teacher have a mean square near 1, noise of the size that is asked for, and depend on inputs piecewise
// linearly through the origin (no biases), which the scale of one example shows.
func TestTeacher(t *testing.T) {
	clean := mustMake(t, Teacher{3, 4000, 50, 20, 400, 1, 0})
	checkNormal(t, "inputs", clean.Train.Values, 0, 1)
	square := 0.0
	for _, y := range clean.Train.Targets {
		square += float64(y) * float64(y) / 4000
	}
	if square < 0.7 || square > 1.4 { // 400 hidden units: the teacher's own scale scatters by some 10 percent
		t.Errorf("mean square of the targets %v, want about 1", square)
	}
	if other := mustMake(t, Teacher{4, 4000, 50, 20, 400, 1, 0}); slices.Equal(other.Train.Targets, clean.Train.Targets) {
		t.Error("another seed, the same teacher")
	}
	one := mustMake(t, Teacher{3, 30000, 1, 1, 1, 1, 0.25})
	var noise []float32
	for i, x := range one.Train.Values { // one unit of one input is silent on one side
		if positive := one.Test.Values[0] > 0 == (one.Test.Targets[0] == 0); (x > 0) == positive {
			noise = append(noise, one.Train.Targets[i])
		}
	}
	checkNormal(t, "noise", noise, 0, 0.25)
}

func TestFunction(t *testing.T) {
	for _, c := range []struct {
		of Univariate
		f  func(float64) float64
	}{{Sin3X, func(x float64) float64 { return math.Sin(3 * x) }}, {X, func(x float64) float64 { return x }}, {TenX, func(x float64) float64 { return 10 * x }}} {
		d := mustMake(t, Function{1, 10, 101, c.of, 0})
		for _, set := range []*shard.Set{d.Train, d.Test} {
			for i, x := range set.Values {
				want := -1 + 2*float64(i)/float64(set.N-1)
				if math.Abs(float64(x)-want) > 1e-7 || math.Abs(float64(set.Targets[i])-c.f(float64(x))) > 1e-6 {
					t.Errorf("%v: point %d is (%v, %v)", c.of, i, x, set.Targets[i])
				}
			}
		}
	}
	d := mustMake(t, Function{1, 20000, 1, TenX, 0.5})
	var noise []float32
	for i, x := range d.Train.Values {
		noise = append(noise, d.Train.Targets[i]-10*x)
	}
	checkNormal(t, "noise", noise, 0, 0.5)
}

func TestGaussian(t *testing.T) {
	d := mustMake(t, Gaussian{1, 4000, 1000, 32, 10, 0.6, 1})
	means := make([]float32, 10*32)
	for i, l := range d.Train.Labels {
		if int(l) != i%10 {
			t.Fatalf("label %d of example %d", l, i)
		}
		for j := range 32 {
			means[int(l)*32+j] += d.Train.Values[32*i+j] / 400
		}
	}
	checkNormal(t, "means", means, 0, math.Sqrt(0.36+1./400))
	// The test set has the same means: the nearest one is the label of most (P1 reports .85 for trained networks).
	right := 0
	for i, l := range d.Test.Labels {
		best, nearest := math.Inf(1), -1
		for c := range 10 {
			distance := 0.0
			for j := range 32 {
				off := float64(d.Test.Values[32*i+j] - means[32*c+j])
				distance += off * off
			}
			if distance < best {
				best, nearest = distance, c
			}
		}
		if nearest == int(l) {
			right++
		}
	}
	if right < 850 {
		t.Errorf("the nearest mean is right for %d of 1000", right)
	}
}

// TestFedProx holds the paper's set-up to its numbers: sizes of 50 and more with a median of 50 + e^4, nine tenths for
// training, variances that fall as j^-1.2, and devices that disagree with each other unless IID.
func TestFedProx(t *testing.T) {
	sizes, _, _, err := FedProx{Seed: 1, Devices: 2001, Inputs: 1, Classes: 2}.sizes()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(sizes)
	// The median of 2001 draws lies within e^(+-5 x 1.2533 x 2/sqrt(2001)) of the law's.
	if m := float64(sizes[1000] - 50); sizes[0] < 50 || m < math.Exp(4-0.29)-1 || m > math.Exp(4+0.29) {
		t.Errorf("sizes from %d, median %v", sizes[0], sizes[1000])
	}
	d := mustMake(t, FedProx{Seed: 1, Alpha: 1, Beta: 1, Devices: 30, Inputs: 60, Classes: 10})
	counts := make([]int, 30)
	for i, k := range d.Train.Groups {
		if i > 0 && k < d.Train.Groups[i-1] {
			t.Fatal("devices do not stand one after the other")
		}
		counts[k]++
	}
	if n := d.Train.N + d.Test.N; math.Abs(float64(d.Train.N)/float64(n)-0.9) > 0.01 || slices.Min(counts) < 45 {
		t.Errorf("%d of %d examples for training, devices have %v", d.Train.N, n, counts)
	}
	largest := slices.Index(counts, slices.Max(counts))
	var first, last []float32
	for i, k := range d.Train.Groups {
		if int(k) == largest {
			first, last = append(first, d.Train.Values[60*i]), append(last, d.Train.Values[60*i+59])
		}
	}
	device := FedProx{Seed: 1, Alpha: 1, Beta: 1, Devices: 30, Inputs: 60, Classes: 10}.device(uint64(largest))
	checkNormal(t, "entry 1", first, device.mean[0], 1)
	checkNormal(t, "entry 60", last, device.mean[59], math.Pow(60, -0.6))
	iid := FedProx{Seed: 1, IID: true, Devices: 3, Inputs: 4, Classes: 2}
	if a, b := iid.device(0), iid.device(2); !slices.Equal(a.weights, b.weights) || !slices.Equal(a.mean, make([]float64, 4)) {
		t.Errorf("iid devices differ: %+v, %+v", a, b)
	}
	wide := FedProx{Seed: 1, Beta: 2, IID: true, Devices: 1, Inputs: 3, Classes: 2}.device(0)
	if wide.mean[0] == 0 || wide.mean[0] != wide.mean[2] {
		t.Errorf("iid with a beta: means %v, want one number", wide.mean)
	}
}

// Labels are the argmax of the stored inputs, computed here with other loops.
func TestFedProxLabels(t *testing.T) {
	s := FedProx{Seed: 5, Alpha: 0.5, Beta: 0.5, Devices: 2, Inputs: 7, Classes: 4}
	d := mustMake(t, s)
	for i, k := range d.Train.Groups {
		dev := s.device(uint64(k))
		scores := slices.Clone(dev.biases)
		for j, x := range d.Train.Values[7*i:][:7] {
			for c := range scores {
				scores[c] += dev.weights[7*c+j] * float64(x)
			}
		}
		if want := slices.Index(scores, slices.Max(scores)); int(d.Train.Labels[i]) != want {
			t.Fatalf("example %d has label %d, scores %v", i, d.Train.Labels[i], scores)
		}
	}
}

func TestNeed(t *testing.T) {
	s := FedProx{Seed: 1, Devices: 2, Inputs: 3, Classes: 2}
	all := mustMake(t, s).Fingerprint()
	for _, need := range []shard.Need{shard.TrainX, shard.TrainY, shard.TrainY | shard.Testing, shard.Training, shard.TestY} {
		d, err := Make(s, need)
		if err != nil {
			t.Fatal(err)
		}
		if (d.Train == nil) == need.Has(shard.Training) || (d.Test == nil) == need.Has(shard.Testing) {
			t.Errorf("need %b: %+v", need, d)
		}
		if err := all.Check(d.Fingerprint()); err != nil {
			t.Errorf("need %b: %v", need, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, s := range []Source{
		Linear{1, 1 << 20, 1, 1 << 10, 1, 0}, Teacher{1, 1 << 20, 1, 64, 1 << 16, 1, 0}, Gaussian{}, Function{Train: -1},
		FedProx{Devices: 1 << 30, Inputs: 60, Classes: 10}, FedProx{Devices: 10_000, Inputs: 500, Classes: 2},
	} {
		if _, err := Make(s, shard.All); !errors.Is(err, shard.ErrData) {
			t.Errorf("%#v: %v", s, err)
		}
	}
}
