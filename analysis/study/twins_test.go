package study

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
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
	mean := 0.0
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
	}
	got.near("step_rel", whole.in("2.weight"), mean, 1e-9)
	got.near("round_rel", whole, length(minus(wide(in.Next), wide(in.Start)))/length(wide(in.Start)), 1e-9)
	dist := 0.0
	for _, name := range []string{"0.weight", "2.weight", "4.weight"} {
		dist += got.find("round_rel", whole.in(name)) / 3
	}
	got.near("dist", whole, dist, 1e-12)
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
