package study

import (
	"math"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// eps* = (a/F) K^(-K/(K-1)), a being lr/B times the mean norm of single examples' gradients at the average model, here in float64 one
// by one, and its mean over shards by weight.
func TestCrossoverAgainstSingleExamples(t *testing.T) {
	half := everyone
	half.Rule = localsgd.FedAvg{LR: 0.5}
	in := roundOf(t, smallJob(t), half)
	mean := meanOf(in, endsOf(t, in), 3)
	model := make([]float32, len(mean))
	for i, v := range mean {
		model[i] = float32(v)
	}
	got := measure(t, in, LocalRanks)
	for _, name := range []string{"0.weight", "2.weight", "4.weight"} {
		v, _ := in.Job.Net.Layout().Lookup(name)
		a := 0.0
		for i, k := range in.Shards {
			sum := 0.0
			probe := shard.Probe(in.Job.Seed, k, in.Job.Shards[k], in.Probe)
			for _, e := range probe {
				sum += length(gradientOf(in.Job, model, []int32{e})[v.Offset : v.Offset+v.Size])
			}
			own := 0.2 / 4 * sum / float64(len(probe))
			got.near("sample_size", of(k).against(Mean).in(name), own, 1e-4)
			a += in.Plan.Tasks[i].Weight.Float() * own
		}
		at := whole.against(Mean).in(name)
		got.near("sample_size", at, a, 1e-4)
		got.near("crossover", at, a/length(wide(tensor.Of(model, v)))/(3*math.Sqrt(3)), 1e-4) // 3^(-3/2)
	}
}

func TestCrossoversThatThereAreNot(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*localsgd.Job, *localsgd.Algorithm)
		why    string
	}{
		"momentum": {func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Local.SGD.Momentum = 0.5 }, "momentum 0.5"},
		"alone": {func(_ *localsgd.Job, a *localsgd.Algorithm) {
			a.Participation = localsgd.Participation{Partial: true, Count: 1}
		}, "one worker averages nothing"},
		"clipped": {func(j *localsgd.Job, _ *localsgd.Algorithm) { j.Local.ClipNorm = 1 }, "clipped"},
	} {
		t.Run(name, func(t *testing.T) {
			job, a := smallJob(t), everyone
			test.change(job, &a)
			measure(t, roundOf(t, job, a), LocalRanks).lacks("crossover", test.why)
		})
	}
	job := smallJob(t)
	job.Local.Freeze = []string{"2.*"}
	got := measure(t, roundOf(t, job, everyone), LocalRanks)
	got.find("crossover", whole.against(Mean).in("0.weight"))
	if len(got.missing) != 1 || got.missing[0].Quantity != "crossover" || !strings.Contains(got.missing[0].Reason, "2.weight: the weight is frozen") {
		t.Errorf("missing %v", got.missing)
	}
}

// All singular values of each local model are there, and of the mean where the server makes another model of it: the ranks at every
// eps follow from them.
func TestLocalSpectraAgainstJacobi(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, LocalRanks, LocalSpectra)
	for i, end := range endsOf(t, in) {
		at := of(in.Shards[i]).in("2.weight")
		s := spectrum(in.Job, end, "2.weight")
		sum, all := 0.0, dot(s, s)
		for j, v := range s {
			got.near(SingularValue, at.at(j+1), v, 1e-6)
			if sum += v * v; j < 5 {
				got.near([]string{"energy.1", "energy.2", "energy.3", "energy.4", "energy.5"}[j], at, sum/all, 1e-9)
			}
		}
	}
	count := func(got table, shard int) (n int) {
		for _, r := range got.readings {
			if r.Quantity == SingularValue && r.Shard == shard {
				n++
			}
		}
		return n
	}
	if n, average := count(got, 1), count(got, Average); n != 6+8+3 || average != 0 {
		t.Errorf("%d singular values of a local model and %d of the average, want 17 and, as the round has them, 0", n, average)
	}
	half := everyone
	half.Rule = localsgd.FedAvg{LR: 0.5}
	in = roundOf(t, smallJob(t), half)
	got = measure(t, in, LocalSpectra) // without the ranks
	v, _ := in.Job.Net.Layout().Lookup("4.weight")
	mean := meanOf(in, endsOf(t, in), 3)
	for j, s := range singular(mean[v.Offset:v.Offset+v.Size], 3, 8) {
		got.near(SingularValue, whole.against(Mean).in("4.weight").at(j+1), s, 1e-5)
	}
}
