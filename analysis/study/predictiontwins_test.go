package study

import (
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// shardNoise returns spread and squared mean of the gradients of a shard's keyed batches, in float64.
func shardNoise(in Input, k int) (spread, square float64) {
	var gradients [][]float64
	mean := make([]float64, in.Job.Net.Parameters())
	for i := range uint64(8) {
		order := keyed.New(in.Job.Seed, "gradient noise", uint64(in.Plan.Round), uint64(k), i).Perm(len(in.Job.Shards[k]))
		var examples []int32
		for _, at := range order[:4] {
			examples = append(examples, in.Job.Shards[k][at])
		}
		g := gradientOf(in.Job, in.Start, examples)
		for j, v := range g {
			mean[j] += v / 8
		}
		gradients = append(gradients, g)
	}
	for _, g := range gradients {
		d := minus(g, mean)
		spread += dot(d, d) / 7
	}
	return spread, dot(mean, mean)
}

func TestGradientNoiseAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Noise)
	mean := 0.0
	for i, k := range in.Shards {
		spread, square := shardNoise(in, k)
		got.near("gradient_spread", of(k), spread, 1e-5)
		got.near("gradient_square", of(k), square, 1e-5)
		if signal := square - spread/8; signal > 0 {
			got.near("noise_scale", of(k), 4*spread/signal, 1e-3)
		} else if slices.ContainsFunc(got.readings, func(r Reading) bool { return r.Quantity == "noise_scale" && r.Shard == k }) {
			t.Errorf("shard %d has a noise scale, though noise hides the gradient", k)
		}
		mean += in.Plan.Tasks[i].Weight.Float() * spread
	}
	got.near("gradient_spread", whole, mean, 1e-5)
}

// zetaOf is zeta^2 by split halves at the next model, in float64.
func zetaOf(in Input) (split, naive float64) {
	n := in.Job.Net.Parameters()
	var halves [2][][]float64
	var means [2][]float64
	for side := range halves {
		means[side] = make([]float64, n)
		for i, k := range in.Shards {
			probe := append([]int32(nil), in.Job.Shards[k]...)
			keyed.New(in.Job.Seed, "probe", uint64(k)).Shuffle(probe)
			g := gradientOf(in.Job, in.Next, probe[5*side:5*side+5])
			halves[side] = append(halves[side], g)
			for j, v := range g {
				means[side][j] += in.Plan.Tasks[i].Weight.Float() * v
			}
		}
	}
	for i := range in.Shards {
		p := in.Plan.Tasks[i].Weight.Float()
		a, b := minus(halves[0][i], means[0]), minus(halves[1][i], means[1])
		split += p * dot(a, b)
		for j := range a {
			naive += p * (a[j] + b[j]) * (a[j] + b[j]) / 4
		}
	}
	return split, naive
}

func TestHeterogeneityAndPredictionAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Heterogeneity, Prediction)
	split, naive := zetaOf(in)
	got.near("heterogeneity", whole, split, 1e-3)
	got.near("heterogeneity.naive", whole, naive, 1e-4)
	got.near("zeta2", whole, split, 1e-3)
	sigma, v := 0.0, 0.0
	for i, end := range endsOf(t, in) {
		p := in.Plan.Tasks[i].Weight.Float()
		spread, _ := shardNoise(in, in.Shards[i])
		d := minus(wide(end), wide(in.Next))
		sigma, v = sigma+p*4*spread, v+p*dot(d, d)
	}
	got.near("sigma2", whole, sigma, 1e-5)
	got.near("divergence.measured", whole, v, 1e-9)
	// lr .2, K = 3, H = 5, B = 4
	got.near("divergence.predicted", whole, 0.04*(1-1.0/3)*(5*sigma/4+25*max(0, split)), 1e-3)
	if split > 0 {
		got.near("overtaking_steps", whole, sigma/(4*split), 1e-3)
	} else {
		got.lacks("overtaking_steps", "no heterogeneity")
	}
}

func TestLawsSayNothingOutsideOfTheirConditions(t *testing.T) {
	for words, change := range map[string]func(*localsgd.Local){
		"momentum": func(l *localsgd.Local) { l.SGD.Momentum = 0.5 },
		"adamw":    func(l *localsgd.Local) { l.AdamW = &localsgd.AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8} },
		"clipped":  func(l *localsgd.Local) { l.ClipNorm = 1 },
		"fedprox":  func(l *localsgd.Local) { l.ProxMu = 0.1 },
	} {
		job := smallJob(t)
		change(&job.Local)
		got := measure(t, roundOf(t, job, everyone), Prediction, NullModel)
		got.lacks("prediction", words)
		got.lacks("null_model", words)
		if len(got.readings) != 0 {
			t.Errorf("%s: %d readings", words, len(got.readings))
		}
	}
}

func TestNullModelHasTheRoundsDynamics(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	in.Draws, in.Epsilon = 3, 0.05
	got := measure(t, in, NullModel)
	null := theory.Null{Rows: 8, Cols: 6, Eps: 0.05, Draws: 3, Seed: 3,
		Dynamics: theory.Dynamics{Workers: 3, Steps: 5, Batch: 4, Rho: 1 - 0.2*0.02}}
	want, reason, err := null.Measure(t.Context(), new(analysis.Workspace))
	if err != nil || want == nil {
		t.Fatal(reason, err)
	}
	at := whole.in("0.weight")
	got.near("null.effective_rank", at, want.AverageEffective.Mean, 1e-12)
	got.near("null.local_effective_rank", at, want.LocalEffective.Mean, 1e-12)
	got.near("null.effective_rank.deviation", at, want.AverageEffective.Deviation, 1e-12)
	measured := measure(t, in, LocalRanks)
	got.near("null.effective_rank.z", at, (measured.find("effective_rank", at)-want.AverageEffective.Mean)/want.AverageEffective.Deviation, 1e-9)
	at.shard = 1
	got.near("null.effective_rank.z", at, (measured.find("effective_rank", at)-want.LocalEffective.Mean)/want.LocalEffective.Deviation, 1e-9)
}
