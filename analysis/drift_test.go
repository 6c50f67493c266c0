package analysis

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func combine(t testing.TB, samples ...Sample) *Drift {
	t.Helper()
	d, err := Combine(samples)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Three shards with weights 1, 2 and 5 and numbers that can be checked by hand.
func handSamples() []Sample {
	return []Sample{
		{Shard: 9, Weight: 5, Drift: 1, NormEnd: 2, NormModel: 1, Cosine: 0.5, Divergence: 4, NormModelParams: 10},
		{Shard: 2, Weight: 1, Drift: 4, NormEnd: 2, NormModel: 6, Cosine: -0.1, Divergence: 0.25, NormModelParams: 10},
		{Shard: 4, Weight: 2, Drift: 2, NormEnd: 0, NormModel: 2, Divergence: 0, NormModelParams: 10},
	}
}

func TestCombineByHand(t *testing.T) {
	d := combine(t, handSamples()...)
	if !slices.Equal(d.Shards, []int{2, 4, 9}) || d.DriftMax != 4 {
		t.Errorf("shards %v, largest drift %v", d.Shards, d.DriftMax)
	}
	near(t, "drift", d.Drift, (4+2*2+5*1)/8., 1e-15)
	near(t, "drift_rel", *d.DriftRel, math.Sqrt((16+2*4+5*1)/(36+2*4+5*1.)), 1e-15)
	near(t, "cosine over the two that have one", *d.Cosine, (-0.1+5*0.5)/6, 1e-15)
	near(t, "divergence", d.Divergence, (0.25+5*4)/8, 1e-15)
	near(t, "divergence_rel", *d.DivergenceRel, math.Sqrt((0.25+5*4)/8)/10, 1e-15)
	near(t, "lipschitz over the two that moved", *d.Lipschitz, (4/0.5+5*1/2.)/6, 1e-15)
}

func TestCombineWithoutDenominators(t *testing.T) {
	d := combine(t, Sample{Shard: 1, Weight: 3})
	if d.DriftRel != nil || d.Cosine != nil || d.DivergenceRel != nil || d.Lipschitz != nil {
		t.Errorf("0/0 is no number: %+v", d)
	}
	if d.Drift != 0 || d.DriftMax != 0 || d.Divergence != 0 {
		t.Errorf("what was measured is 0: %+v", d)
	}
}

func TestCombineIgnoresOrderAndScaleOfWeights(t *testing.T) {
	samples := handSamples()
	want := combine(t, samples...)
	rapid.Check(t, func(t *rapid.T) {
		shuffled := rapid.Permutation(samples).Draw(t, "samples")
		scale := math.Ldexp(1, rapid.IntRange(-60, 60).Draw(t, "scale")) // a power of two: same bits
		for i := range shuffled {
			shuffled[i].Weight *= scale
		}
		got, err := Combine(shuffled)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestCombineRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Sample)
		want  string
	}{
		{"weight 0", func(s *Sample) { s.Weight = 0 }, "weight 0"},
		{"negative weight", func(s *Sample) { s.Weight = -1 }, "weight -1"},
		{"weight NaN", func(s *Sample) { s.Weight = math.NaN() }, "weight NaN"},
		{"drift NaN", func(s *Sample) { s.Drift = math.NaN() }, "drift NaN"},
		{"drift infinite", func(s *Sample) { s.Drift = math.Inf(1) }, "drift +Inf"},
		{"negative norm", func(s *Sample) { s.NormEnd = -2 }, "norm_end -2"},
		{"norm too large", func(s *Sample) { s.NormModel = 1e60 }, "norm_model 1e+60"},
		{"cosine above 1", func(s *Sample) { s.Cosine = 1.5 }, "cosine 1.5"},
		{"negative divergence", func(s *Sample) { s.Divergence = -1 }, "divergence -1"},
		{"vanishing divergence", func(s *Sample) { s.Divergence = 1e-200 }, "divergence 1e-200"},
		{"model NaN", func(s *Sample) { s.NormModelParams = math.NaN() }, "norm_model_params NaN"},
		{"another model", func(s *Sample) { s.NormModelParams = 10.5 }, "10.5"},
		{"twice", func(s *Sample) { s.Shard = 9 }, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			samples := handSamples()
			c.spoil(&samples[2])
			d, err := Combine(samples)
			if !errors.Is(err, ErrSamples) || !strings.Contains(err.Error(), c.want) || d != nil {
				t.Errorf("got %+v, %v, want an error with %q", d, err, c.want)
			}
		})
	}
	if d, err := Combine(nil); !errors.Is(err, ErrSamples) || d != nil {
		t.Errorf("no sample: %+v, %v", d, err)
	}
}

// V = sum p_k ||d_k||^2 - ||sum p_k d_k||^2 with d_k = end_k - start, when the model is the mean of the measured ends (M6).
func TestDivergenceIdentity(t *testing.T) {
	layout := newLayout(t, tensor.Desc{Name: "w", Shape: []int{3000}})
	start := toFloat32(gaussian(70, 1, 3000))
	p := []float64{0.5, 0.3, 0.2}
	ends := make([][]float32, len(p))
	mean, meanStep, squares := make([]float64, 3000), make([]float64, 3000), 0.0
	for k := range ends {
		ends[k] = make([]float32, 3000)
		for i, v := range gaussian(uint64(71+k), 1, 3000) {
			ends[k][i] = start[i] + float32(0.1*v)
			step := float64(ends[k][i]) - float64(start[i])
			mean[i] += p[k] * float64(ends[k][i])
			meanStep[i] += p[k] * step
			squares += p[k] * step * step
		}
	}
	model := Point{toFloat32(mean), make([]float32, 3000)}
	var samples []Sample
	for k, end := range ends {
		s, err := Compare(k, layout, Point{end, make([]float32, 3000)}, model)
		if err != nil {
			t.Fatal(err)
		}
		s.Weight = 1000 * p[k]
		samples = append(samples, s)
	}
	// The model is rounded to float32, independently of the ends: 2^-25 of values around 1 beside steps of 0.1.
	near(t, "divergence", combine(t, samples...).Divergence, squares-dot(meanStep, meanStep), 1e-6)
}
