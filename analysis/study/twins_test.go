package study

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// singular returns the singular values of a rows x cols matrix, descending, by Jacobi rotations of pairs of columns.
func singular(matrix []float64, rows, cols int) []float64 {
	columns := make([][]float64, cols)
	for j := range columns {
		for i := range rows {
			columns[j] = append(columns[j], matrix[i*cols+j])
		}
	}
	for range 30 {
		for p := range columns {
			for q := p + 1; q < cols; q++ {
				rotate(columns[p], columns[q])
			}
		}
	}
	var s []float64
	for _, c := range columns {
		s = append(s, length(c))
	}
	slices.Sort(s)
	slices.Reverse(s)
	return s[:min(rows, cols)]
}

// rotate makes two columns orthogonal.
func rotate(a, b []float64) {
	alpha, beta, gamma := dot(a, a), dot(b, b), dot(a, b)
	if math.Abs(gamma) <= 1e-15*math.Sqrt(alpha*beta) {
		return
	}
	zeta := (beta - alpha) / (2 * gamma)
	t := math.Copysign(1, zeta) / (math.Abs(zeta) + math.Sqrt(1+zeta*zeta))
	c := 1 / math.Sqrt(1+t*t)
	for i, x := range a {
		a[i], b[i] = c*x-c*t*b[i], c*t*x+c*b[i]
	}
}

// spectrum returns the singular values of a weight.
func spectrum(job *localsgd.Job, params []float32, name string) []float64 {
	v, _ := job.Net.Layout().Lookup(name)
	rows, cols, _ := v.Matrix()
	return singular(wide(tensor.Of(params, v)), rows, cols)
}

// checkRanks compares what is said at a place with plain sums over singular values.
func checkRanks(got table, prefix string, at place, s []float64) {
	got.t.Helper()
	square, sum := dot(s, s), 0.0
	for _, v := range s {
		sum += v
	}
	rank, energies, values := 0.0, 0.0, 0.0
	for _, v := range s {
		if v > 0.05*math.Sqrt(square) {
			rank++
		}
		energies -= v * v / square * math.Log(v*v/square)
		values -= v / sum * math.Log(v/sum)
	}
	got.near(prefix+"rank.0.05", at, rank, 0)
	got.near(prefix+"stable_rank", at, square/(s[0]*s[0]), 1e-9)
	got.near(prefix+"effective_rank", at, math.Exp(energies), 1e-9)
	got.near(prefix+"roy_vetterli_rank", at, math.Exp(values), 1e-9)
	got.near(prefix+"frobenius", at, math.Sqrt(square), 1e-9)
	got.near(prefix+"spectral", at, s[0], 1e-9)
}

func TestLocalRanksAgainstJacobi(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, LocalRanks)
	for i, end := range endsOf(t, in) {
		first, second := spectrum(in.Job, end, "0.weight"), spectrum(in.Job, end, "2.weight")
		checkRanks(got, "", of(in.Shards[i]).in("0.weight"), first)
		checkRanks(got, "", of(in.Shards[i]).in("2.weight"), second)
		mean := (got.find("effective_rank", of(in.Shards[i]).in("0.weight")) + got.find("effective_rank", of(in.Shards[i]).in("2.weight"))) / 2
		got.near("effective_rank", of(in.Shards[i]), mean, 1e-12) // without the last layer
	}
	checkRanks(got, "", whole.in("2.weight"), spectrum(in.Job, in.Next, "2.weight"))
}

// trajectory returns the parameters of a shard's task at its start and after every step, from tasks that end there.
func trajectory(t testing.TB, in Input, k int) [][]float32 {
	t.Helper()
	all := [][]float32{in.Start[:in.Job.Net.Parameters()]}
	for h := 1; h <= 5; h++ {
		end := make([]float32, in.Job.Net.Parameters())
		_, err := localsgd.NewTrainer(in.Job).Train(context.Background(), localsgd.Task{Round: in.Plan.Round, Shard: k, Steps: h},
			localsgd.NewGrid(in.Job.Net.Layout(), in.Start), localsgd.Blocks{Start: in.Start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, end)
	}
	return all
}

func TestStepNoiseAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Noise, Fluctuation)
	v, _ := in.Job.Net.Layout().Lookup("2.weight")
	of64 := func(params []float32) []float64 { return wide(tensor.Of(params, v)) }
	mean, fluctuation := 0.0, 0.0
	for i, k := range in.Shards {
		path := trajectory(t, in, k)
		steps := 0.0
		var spectra [][]float64
		for h := 1; h < len(path); h++ {
			before := of64(path[h-1])
			steps += length(minus(of64(path[h]), before)) / length(before) / 5
			spectra = append(spectra, spectrum(in.Job, path[h], "2.weight"))
		}
		got.near("step_rel", of(k).in("2.weight"), steps, 1e-9)
		mean += in.Plan.Tasks[i].Weight.Float() * steps
		variance, square := 0.0, 0.0
		for j := range spectra[0] {
			m := 0.0
			for _, s := range spectra {
				m += s[j] / 5
			}
			for _, s := range spectra {
				variance += (s[j] - m) * (s[j] - m) / 5
			}
			square += m * m
		}
		got.near("fluctuation", of(k).in("2.weight"), math.Sqrt(variance/square), 1e-6)
		fluctuation += in.Plan.Tasks[i].Weight.Float() * math.Sqrt(variance/square)
	}
	got.near("fluctuation", whole.in("2.weight"), fluctuation, 1e-6)
	got.near("fluctuation.every", whole, 1, 0)
	got.near("step_rel", whole.in("2.weight"), mean, 1e-9)
	got.near("round_rel", whole, length(minus(wide(in.Next), wide(in.Start)))/length(wide(in.Start)), 1e-9)
	got.near("round_rel", whole.in("2.weight"), length(minus(of64(in.Next), of64(in.Start)))/length(of64(in.Start)), 1e-9)
}

func TestEveryLeavesStepsOut(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	in.Every = 3
	got := measure(t, in, Fluctuation, Sawtooth)
	path := trajectory(t, in, 1)
	third, fifth := spectrum(in.Job, path[3], "0.weight"), spectrum(in.Job, path[5], "0.weight")
	variance, square := 0.0, 0.0
	for j := range third {
		m := (third[j] + fifth[j]) / 2
		variance += (third[j] - m) * (third[j] - m)
		square += m * m
	}
	got.near("fluctuation", of(1).in("0.weight"), math.Sqrt(variance/square), 1e-6)
	var steps []int
	for _, r := range got.readings {
		if r.Quantity == "divergence" {
			steps = append(steps, r.Step)
		}
	}
	if !slices.Equal(steps, []int{3, 5}) {
		t.Errorf("the saw-tooth has the steps %v, want 3 and 5", steps)
	}
}

// Dist is the mean of the weights' changes over an epoch, and nothing over another stretch of training (M14, PAPERS.md 1.4).
func TestDistIsOverAnEpoch(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*localsgd.Job, *localsgd.Algorithm)
		why    string // empty: it is an epoch
	}{
		{"an epoch", func(j *localsgd.Job, _ *localsgd.Algorithm) {
			j.Local.Schedule = shard.Schedule{Epochs: 1, Batch: 5}
		}, ""},
		{"whole shards", func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Local.Schedule = shard.Schedule{Steps: 1} }, ""},
		{"two epochs", func(j *localsgd.Job, _ *localsgd.Algorithm) {
			j.Local.Schedule = shard.Schedule{Epochs: 2, Batch: 5}
		}, "another number of examples"},
		{"some steps", func(*localsgd.Job, *localsgd.Algorithm) {}, "another number of examples than its 12"},
		{"some shards", func(j *localsgd.Job, a *localsgd.Algorithm) {
			j.Local.Schedule, a.Participation = shard.Schedule{Epochs: 1, Batch: 5}, localsgd.Participation{Partial: true, Count: 2}
		}, "2 of 3 shards"},
		{"single steps", func(j *localsgd.Job, _ *localsgd.Algorithm) {
			j.Local.Schedule, j.Local.PostLocal = shard.Schedule{Epochs: 1, Batch: 5}, 2
		}, "another number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			job, a := smallJob(t), everyone
			test.change(job, &a)
			in := roundOf(t, job, a)
			in.Shards = in.Shards[:1] // which are measured does not matter
			got := measure(t, in, Noise)
			if test.why != "" {
				got.lacks("dist", test.why)
				return
			}
			dist := 0.0
			for _, name := range []string{"0.weight", "2.weight", "4.weight"} {
				v, _ := job.Net.Layout().Lookup(name)
				start, next := wide(tensor.Of(in.Start, v)), wide(tensor.Of(in.Next, v))
				dist += length(minus(next, start)) / length(start) / 3
			}
			got.near("dist", whole.against(Next), dist, 1e-9)
		})
	}
}

// Singular values of long tasks are taken at thirty steps at most, which the record names.
func TestFluctuationOfALongRound(t *testing.T) {
	job := smallJob(t)
	job.Local.Schedule.Steps = 64
	in := roundOf(t, job, everyone)
	got := measure(t, in, Fluctuation)
	got.near("fluctuation.every", whole, 3, 0)
	var spectra [][]float64
	for h := 1; h <= 64; h++ {
		if h%3 != 0 && h < 64 {
			continue
		}
		end := make([]float32, job.Net.Parameters())
		_, err := localsgd.NewTrainer(job).Train(context.Background(), localsgd.Task{Round: in.Plan.Round, Shard: 2, Steps: h},
			localsgd.NewGrid(job.Net.Layout(), in.Start), localsgd.Blocks{Start: in.Start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		spectra = append(spectra, spectrum(job, end, "0.weight"))
	}
	variance, square, n := 0.0, 0.0, float64(len(spectra))
	for j := range spectra[0] {
		mean := 0.0
		for _, s := range spectra {
			mean += s[j] / n
		}
		for _, s := range spectra {
			variance += (s[j] - mean) * (s[j] - mean) / n
		}
		square += mean * mean
	}
	got.near("fluctuation", of(2).in("0.weight"), math.Sqrt(variance/square), 1e-6)
}

// Means over shards weigh by p_k (M19), and are those of all measured shards or none.
func TestMeansOverShards(t *testing.T) {
	job := smallJob(t)
	job.Local.Schedule.Batch = 9 // less noise than gradient
	in := roundOf(t, job, everyone)
	got := measure(t, in, Noise, Entropy)
	for _, quantity := range []struct{ name, layer string }{{"noise_scale", ""}, {"entropy.training", "1"}, {"entropy.training", "3"}} {
		mean := 0.0
		for i, k := range in.Shards {
			mean += in.Plan.Tasks[i].Weight.Float() * got.find(quantity.name, of(k).in(quantity.layer))
		}
		got.near(quantity.name, whole.in(quantity.layer), mean, 1e-12)
	}
	m := measurement{Input: in, weights: []float64{1, 1, 1}}
	one := 1.0
	if m.sayMean("q", whole, []*float64{&one, nil, &one}); len(m.readings) > 0 {
		t.Errorf("a mean of some shards: %v", m.readings)
	}
}
