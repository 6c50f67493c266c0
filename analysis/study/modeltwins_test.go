package study

import (
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// score is loss and accuracy on the first 120 test examples, in float64, one by one.
func score(job *localsgd.Job, params []float64) (loss, accuracy float64) {
	machine := relu.NewMachine[float64](job.Net, 1)
	for e := range int32(120) {
		l, right := machine.Evaluate(params, localsgd.Fill(machine, job.Data.Test, []int32{e}))
		loss, accuracy = loss+l/120, accuracy+float64(right)/120
	}
	return loss, accuracy
}

// meanOf is the weighted mean of the first k models.
func meanOf(in Input, models [][]float32, k int) []float64 {
	mean, total := make([]float64, len(models[0])), 0.0
	for i, m := range models[:k] {
		p := in.Plan.Tasks[i].Weight.Float()
		total += p
		for j, v := range m {
			mean[j] += p * float64(v)
		}
	}
	for j := range mean {
		mean[j] /= total
	}
	return mean
}

func narrow(wide []float64) []float32 {
	n := make([]float32, len(wide))
	for i, v := range wide {
		n[i] = float32(v)
	}
	return n
}

func TestNormsAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Norms)
	paths := func(params []float32) float64 {
		reach := []float64{1, 1, 1, 1, 1, 1}
		for _, name := range []string{"0.weight", "2.weight", "4.weight"} {
			v, _ := in.Job.Net.Layout().Lookup(name)
			w, next := tensor.Of(params, v), make([]float64, v.Shape[0])
			for i := range next {
				for j, r := range reach {
					next[i] += math.Abs(float64(w[i*len(reach)+j])) * r
				}
			}
			reach = next
		}
		return reach[0] + reach[1] + reach[2]
	}
	got.near("path_norm", whole, paths(in.Next), 1e-9)
	for i, end := range endsOf(t, in) {
		got.near("path_norm", of(in.Shards[i]), paths(end), 1e-9)
	}
	got.lacks("balance", "univariate")
}

func TestNormsOfUnivariateNetworks(t *testing.T) {
	job := smallJob(t)
	net, err := relu.New(relu.MLP{Input: 1, Hidden: []int{6}, Output: 1}.Layers(), []int{1}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	line := &shard.Set{Shape: []int{1}, N: 60, Outputs: 1}
	for i := range 60 {
		x := float32(i)/30 - 1
		line.Values, line.Targets = append(line.Values, x), append(line.Targets, x*x)
	}
	job.Net, job.Data = net, shard.Data{Train: line, Test: line}
	in := roundOf(t, job, everyone)
	got := measure(t, in, Norms, Curve)
	w, v := in.Next[:6], in.Next[12:18]
	paths := 0.0
	for k := range w {
		paths += math.Abs(float64(w[k])) * math.Abs(float64(v[k]))
	}
	got.near("path_norm", whole, paths, 1e-9)
	got.near("variation", whole, paths, 1e-9) // no two units share a knot
	got.near("knots", whole, 6, 0)
	got.find("balance", whole)
	got.lacks("optimum.objective", "0.bias is not penalised")
	got.find("curve.loss", whole.at(3))
	for _, r := range got.readings {
		if r.Quantity == "curve.accuracy" {
			t.Errorf("targets have an accuracy: %+v", r)
		}
	}
}

// With the path norm itself as the penalty long training comes to the optimum from above; there are four points.
func TestOptimumOfUnivariateNetworks(t *testing.T) {
	job := smallJob(t)
	net, err := relu.New(relu.Shallow{Input: 1, Width: 40, Output: 1}.Layers(), []int{1}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	line := &shard.Set{Shape: []int{1}, N: 4, Outputs: 1, Values: []float32{-1, -0.25, 0.5, 1}, Targets: []float32{1, 0, 0.5, 0}}
	job.Net, job.Data, job.Shards = net, shard.Data{Train: line}, shard.Shards{{0, 1, 2, 3}}
	job.Local = localsgd.Local{Schedule: shard.Schedule{Steps: 6000}, SGD: localsgd.SGD{LR: 0.05}, PathNorm: 0.02}
	if err := job.Check(); err != nil {
		t.Fatal(err)
	}
	one := everyone
	one.Participation.Count = 1
	got := measure(t, roundOf(t, job, one), Norms)
	best := got.find("optimum.objective", whole)
	if trained := got.find("objective", whole); trained < best*(1-1e-6) || trained > 1.1*best {
		t.Errorf("the objective is %v, the optimum %v", trained, best)
	}
	got.near("optimum.objective", whole, got.find("optimum.loss", whole)+0.02*got.find("optimum.path_norm", whole), 1e-12)

	job.Local.PathNorm, job.Local.SGD.WeightDecay, job.Local.SGD.NoDecay = 0, 0.02, []string{"*bias"}
	same := measure(t, roundOf(t, job, one), Norms)
	same.near("optimum.objective", whole, best, 1e-12) // E3
}

func TestCurveAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Curve)
	ends := endsOf(t, in)
	for k := 1; k <= 3; k++ {
		mean := meanOf(in, ends, k)
		loss, accuracy := score(in.Job, mean)
		got.near("curve.loss", whole.at(k), loss, 1e-5)
		got.near("curve.accuracy", whole.at(k), accuracy, 1e-12)
		checkRanks(got, "curve.", whole.at(k).in("2.weight"), spectrum(in.Job, narrow(mean), "2.weight"))
	}
}

func TestSawtoothAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Sawtooth)
	var paths [][][]float32
	for _, k := range in.Shards {
		paths = append(paths, trajectory(t, in, k))
	}
	for h := 1; h <= 5; h++ {
		var locals [][]float32
		for i := range paths {
			locals = append(locals, paths[i][h])
		}
		mean := meanOf(in, locals, 3)
		v := 0.0
		for i, local := range locals {
			d := minus(wide(local), mean)
			v += in.Plan.Tasks[i].Weight.Float() * dot(d, d)
			loss, _ := score(in.Job, wide(local))
			got.near("loss", of(in.Shards[i]).at(h), loss, 1e-5)
			checkRanks(got, "", of(in.Shards[i]).at(h).in("0.weight"), spectrum(in.Job, local, "0.weight"))
		}
		loss, accuracy := score(in.Job, mean)
		got.near("loss", whole.at(h), loss, 1e-5)
		got.near("accuracy", whole.at(h), accuracy, 1e-12)
		got.near("divergence", whole.at(h), v, 1e-5)
		got.near("divergence_rel", whole.at(h), math.Sqrt(v)/length(mean), 1e-5)
		checkRanks(got, "", whole.at(h).in("0.weight"), spectrum(in.Job, narrow(mean), "0.weight"))
		norms := 0.0
		for i := range locals {
			norms += in.Plan.Tasks[i].Weight.Float() * got.find("frobenius", of(in.Shards[i]).at(h).in("0.weight"))
		}
		got.near("cancellation", whole.at(h).in("0.weight"), norms/got.find("frobenius", whole.at(h).in("0.weight")), 1e-9)
	}
}

// A task with fewer steps stays where it ended.
func TestSawtoothOfUnequalTasks(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	in.Plan.Tasks = slices.Clone(in.Plan.Tasks)
	in.Plan.Tasks[1].Steps = 2
	got := measure(t, in, Sawtooth)
	loss, _ := score(in.Job, wide(trajectory(t, in, 1)[2]))
	got.near("loss", of(1).at(2), loss, 1e-5)
	got.near("loss", of(1).at(5), loss, 1e-5)
}

func TestBarriersAgainstPlainLoops(t *testing.T) {
	job := smallJob(t)
	job.Local.SGD.LR = 3 // far enough for barriers
	in := roundOf(t, job, everyone)
	got := measure(t, in, Barrier, Alignment)
	ends := endsOf(t, in)
	height := func(a, b []float32) float64 {
		first, _ := score(job, wide(a))
		last, _ := score(job, wide(b))
		most := 0.0
		for i := range 11 {
			alpha := float64(i) / 10
			point := make([]float64, len(a))
			for j := range point {
				point[j] = (1-alpha)*float64(a[j]) + alpha*float64(b[j])
			}
			l, _ := score(job, point)
			most = max(most, l-(1-alpha)*first-alpha*last)
		}
		return most
	}
	var plain, aligned []float64
	for i, a := range ends {
		for _, b := range ends[i+1:] {
			plain = append(plain, height(a, b))
			order, reason := averaging.Align(job.Net, a, b)
			if order == nil {
				t.Fatal(reason)
			}
			aligned = append(aligned, height(a, order.Params))
		}
	}
	got.near("barrier", whole, (plain[0]+plain[1]+plain[2])/3, 1e-4)
	got.near("barrier.max", whole, slices.Max(plain), 1e-4)
	got.near("barrier.aligned", whole, (aligned[0]+aligned[1]+aligned[2])/3, 1e-4)
	if moved := got.find("aligned.moved", whole); slices.Max(plain) == 0 || moved == 0 {
		t.Errorf("barriers %v and %v of the units moved: the job shows nothing", plain, moved)
	}
}

// Local models are compared with the mean of their ends where the rule makes another model of it.
func TestModelIsTheMeanWhereItIsKnown(t *testing.T) {
	outer := everyone
	outer.Rule = localsgd.FedAvgM{LR: 0.7, Beta: 0.9, Nesterov: true}
	in := roundOf(t, smallJob(t), outer)
	ends := endsOf(t, in)
	mean := meanOf(in, ends, 3)
	v := 0.0
	for i, end := range ends {
		d := minus(wide(end), mean)
		v += in.Plan.Tasks[i].Weight.Float() * dot(d, d)
	}
	got := measure(t, in, Drift)
	got.near("divergence", whole, v, 1e-5)
	if in.Model() != "mean" {
		t.Errorf("the model is %q", in.Model())
	}
	in.Shards = []int{0, 2}
	if in.Model() != "next" {
		t.Errorf("with a part of the shards the model is %q", in.Model())
	}
	d := minus(wide(ends[0]), wide(in.Next[:in.Job.Net.Parameters()]))
	got = measure(t, in, Drift, Prediction)
	other := minus(wide(ends[2]), wide(in.Next[:in.Job.Net.Parameters()]))
	p, q := in.Plan.Tasks[0].Weight.Float(), in.Plan.Tasks[2].Weight.Float()
	got.near("divergence", whole, (p*dot(d, d)+q*dot(other, other))/(p+q), 1e-9)
}

// Every number of an average model says of which (M1). With all ends at hand it is their mean, though the server makes another model
// of it, but for the round's own change; with a part of them it is what the round made, and curves are of the part alone.
func TestReadingsSayTheirModel(t *testing.T) {
	half := everyone
	half.Rule = localsgd.FedAvg{LR: 0.5}
	in := roundOf(t, smallJob(t), half)
	in.Draws = 2
	modelsOf := func(in Input) map[string]string {
		models := make(map[string]string)
		for _, r := range measure(t, in, All()...).readings {
			if r.Shard == Average && r.Step != 1 {
				models[r.Quantity] = r.Model
			}
		}
		return models
	}
	all := modelsOf(in)
	in.Shards = []int{0, 2}
	part := modelsOf(in)
	for quantity, want := range map[string][2]string{
		"drift": {Mean, Next}, "heterogeneity": {Mean, Next}, "update.cosine": {Mean, Next}, "effective_rank": {Mean, Measured}, // the saw-tooth's
		"units.dead": {Mean, Next}, "entropy": {Mean, Next}, "identity.sum": {Mean, Next}, "path_norm": {Mean, Next}, "zeta2": {Mean, Next},
		"null.effective_rank.z": {Mean, Next}, "curve.loss": {Mean, Measured}, "divergence_rel": {Mean, Measured},
		"round_rel": {Next, Next}, "zero_inputs.norm": {Next, Next}, "step_rel": {"", ""}, "null.rank": {"", ""}, "barrier": {"", ""},
	} {
		if got := [2]string{all[quantity], part[quantity]}; got != want {
			t.Errorf("%s is of %q, with a part of the ends of %q, want %q", quantity, got[0], got[1], want)
		}
	}
}

// The layers' distance from the identity is that of the mean where it is known, and not of what the server makes of it.
func TestIdentityOfTheMean(t *testing.T) {
	half := everyone
	half.Rule = localsgd.FedAvg{LR: 0.5}
	in := roundOf(t, smallJob(t), half)
	mean := meanOf(in, endsOf(t, in), 3)
	v, _ := in.Job.Net.Layout().Lookup("2.weight")
	p := mean[v.Offset : v.Offset+v.Size]
	for i := range 8 {
		p[9*i]--
	}
	measure(t, in, Identity).near("identity.frobenius", whole.in("2").against(Mean), length(p), 1e-6)
}
