package study

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// classes is a set of n examples of six keyed Gaussian inputs, the last of which is 0 throughout, in three classes.
func classes(seed uint64, n int) *shard.Set {
	s := keyed.New(seed, "study")
	set := &shard.Set{Shape: []int{6}, N: n, Classes: 3, Outputs: 3}
	for range n {
		x := make([]float32, 6)
		best := 0
		for j := range 5 {
			x[j] = float32(s.Normal())
			if j < 3 && x[j] > x[best] {
				best = j
			}
		}
		set.Values = append(set.Values, x...)
		set.Labels = append(set.Labels, int32(best))
	}
	return set
}

// smallJob trains 6-8-8-3 on three shards of unequal sizes, five steps each of plain SGD with weight decay.
func smallJob(t testing.TB) *localsgd.Job {
	t.Helper()
	net, err := relu.New(relu.MLP{Input: 6, Hidden: []int{8, 8}, Output: 3}.Layers(), []int{6}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	train := classes(1, 60)
	shards := shard.Shards{nil, nil, nil}
	for i := range int32(60) {
		k := 0
		if i >= 12 {
			k = 1
		}
		if i >= 35 {
			k = 2
		}
		shards[k] = append(shards[k], i)
	}
	job := &localsgd.Job{
		Seed: 3, Net: net, Data: shard.Data{Train: train, Test: classes(2, 130)}, Shards: shards,
		Local: localsgd.Local{Schedule: shard.Schedule{Steps: 5, Batch: 4}, SGD: localsgd.SGD{LR: 0.2, WeightDecay: 0.02}},
	}
	if err := job.Check(); err != nil {
		t.Fatal(err)
	}
	return job
}

var everyone = localsgd.Algorithm{
	Participation: localsgd.Participation{Count: 3}, Weighting: localsgd.ByExamples, Rule: localsgd.FedAvg{LR: 1},
}

// roundOf makes round 2 of a run and returns it as it is to be measured.
func roundOf(t testing.TB, job *localsgd.Job, a localsgd.Algorithm) Input {
	t.Helper()
	runner := &localsgd.Runner{Job: job, Algorithm: a}
	size := a.Layout(job).Size()
	first, second, third := a.Start(job), make([]float32, size), make([]float32, size)
	if _, err := runner.Round(context.Background(), 1, first, second); err != nil {
		t.Fatal(err)
	}
	facts, err := runner.Round(context.Background(), 2, second, third)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Job: job, Algorithm: a, Plan: facts.Plan, Shards: facts.Plan.Shards(), Start: second, Next: third, Options: Options{Probe: 10, Evaluated: 120}}
}

// endsOf trains the tasks of a round, without the package.
func endsOf(t testing.TB, in Input) [][]float32 {
	t.Helper()
	var ends [][]float32
	for _, k := range in.Shards {
		end := make([]float32, in.Job.Net.Parameters())
		_, err := localsgd.NewTrainer(in.Job).Train(context.Background(), localsgd.Task{Round: in.Plan.Round, Shard: k},
			localsgd.NewGrid(in.Job.Net.Layout(), in.Start), localsgd.Blocks{Start: in.Start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	return ends
}

// table is what a round says, to be asked.
type table struct {
	t        testing.TB
	readings []Reading
	missing  []Missing
}

func measure(t testing.TB, in Input, want ...Study) table {
	t.Helper()
	in.Want = want
	readings, missing, err := Round(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return table{t, readings, missing}
}

// find returns the only value of a quantity at a place.
func (a table) find(quantity string, at place) float64 {
	a.t.Helper()
	var values []float64
	for _, r := range a.readings {
		if r.Quantity == quantity && (place{r.Layer, r.Shard, r.Step, at.model}) == at {
			values = append(values, r.Value)
		}
	}
	if len(values) != 1 {
		a.t.Fatalf("%s at %+v has the values %v, want one; missing: %v", quantity, at, values, a.missing)
	}
	return values[0]
}

// near checks a value.
func (a table) near(quantity string, at place, want, relative float64) {
	a.t.Helper()
	if got := a.find(quantity, at); !(math.Abs(got-want) <= relative*math.Abs(want)) {
		a.t.Errorf("%s at %+v is %v, want %v", quantity, at, got, want)
	}
}

// lacks checks that a quantity is missing for a reason with these words.
func (a table) lacks(quantity, words string) {
	a.t.Helper()
	if !slices.ContainsFunc(a.missing, func(m Missing) bool { return m.Quantity == quantity && strings.Contains(m.Reason, words) }) {
		a.t.Errorf("%s is not missing because of %q: %v", quantity, words, a.missing)
	}
	for _, r := range a.readings {
		if r.Quantity == quantity {
			a.t.Errorf("%s is missing, and read: %+v", quantity, r)
		}
	}
}

// wide converts a block.
func wide(block []float32) []float64 {
	w := make([]float64, len(block))
	for i, v := range block {
		w[i] = float64(v)
	}
	return w
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func length(a []float64) float64 { return math.Sqrt(dot(a, a)) }

// gradientOf is the gradient of the data loss on examples of the training set, in float64.
func gradientOf(job *localsgd.Job, params []float32, examples []int32) []float64 {
	machine := relu.NewMachine[float64](job.Net, len(examples))
	g := make(gradient, len(params))
	machine.Probe(wide(params), localsgd.Fill(machine, job.Data.Train, examples), g)
	return g
}

type gradient []float64

func (g gradient) Gradient(offset int, part []float64) { copy(g[offset:], part) }

// outputsOf are what activation i gives for an example, in float64.
type outputs [][]float64

func (o *outputs) Activation(i int, y []float64, _ int) {
	*o = append(*o, slices.Clone(y))
}

func outputsOf(job *localsgd.Job, params []float32, set *shard.Set, example int32) [][]float64 {
	machine := relu.NewMachine[float64](job.Net, 1)
	var o outputs
	machine.Watch(&o)
	machine.Forward(wide(params), localsgd.Fill(machine, set, []int32{example}))
	return o
}

func TestUpdatesAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Updates)
	mean := minus(wide(in.Next), wide(in.Start))
	var cosine, squares, norms float64
	for i, end := range endsOf(t, in) {
		k, p := in.Shards[i], in.Plan.Tasks[i].Weight.Float()
		d := minus(wide(end), wide(in.Start))
		c := dot(d, mean) / length(d) / length(mean)
		got.near("update.norm", of(k), length(d), 1e-9)
		got.near("update.cosine", of(k), c, 1e-9)
		cosine += p * c
		squares += p * dot(d, d)
		norms += p * length(d)
	}
	got.near("update.norm", whole, length(mean), 1e-9)
	got.near("update.cosine", whole, cosine, 1e-9)
	got.near("update.diversity", whole, squares/dot(mean, mean), 1e-9)
	got.near("update.norm_ratio", whole, length(mean)/norms, 1e-9)
}

func TestDriftAgainstPlainLoops(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	got := measure(t, in, Drift)
	first, _ := in.Job.Net.Layout().Lookup("0.bias")
	layer := first.Offset + first.Size // parameters of layer 0 come first
	var squares, gradients, v, flips, layerSquares, layerGradients float64
	for i, end := range endsOf(t, in) {
		k, p := in.Shards[i], in.Plan.Tasks[i].Weight.Float()
		probe := shard.Probe(in.Job.Seed, k, in.Job.Shards[k], in.Probe)
		ge, gm := gradientOf(in.Job, end, probe), gradientOf(in.Job, in.Next, probe)
		d, moved := minus(ge, gm), minus(wide(end), wide(in.Next))
		got.near("drift", of(k), length(d), 1e-4)
		got.near("drift", of(k).in("0"), length(d[:layer]), 1e-4)
		squares, gradients = squares+p*dot(d, d), gradients+p*dot(gm, gm)
		layerSquares, layerGradients = layerSquares+p*dot(d[:layer], d[:layer]), layerGradients+p*dot(gm[:layer], gm[:layer])
		v += p * dot(moved, moved)
		flipped := 0.0
		for _, e := range probe {
			a, b := outputsOf(in.Job, end, in.Job.Data.Train, e), outputsOf(in.Job, in.Next, in.Job.Data.Train, e)
			for j := range a[1] {
				if (a[1][j] > 0) != (b[1][j] > 0) {
					flipped++
				}
			}
		}
		flipped /= float64(8 * len(probe))
		got.near("flips", of(k).in("3"), flipped, 1e-12)
		flips += p * flipped
	}
	got.near("drift_rel", whole, math.Sqrt(squares/gradients), 1e-4)
	got.near("drift_rel", whole.in("0"), math.Sqrt(layerSquares/layerGradients), 1e-4)
	got.near("divergence", whole, v, 1e-9)
	got.near("flips", whole.in("3"), flips, 1e-12)
	if flips == 0 {
		t.Error("no gate flips: the job shows nothing")
	}
}

func TestRoundRefuses(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	for name, spoil := range map[string]func(*Input){
		"short start":     func(in *Input) { in.Start = in.Start[:3] },
		"no shard":        func(in *Input) { in.Shards = nil },
		"unsorted shards": func(in *Input) { in.Shards = []int{1, 0} },
		"unknown shard":   func(in *Input) { in.Shards = []int{7} },
		"unknown study":   func(in *Input) { in.Want = []Study{"horoscope"} },
		"epsilon":         func(in *Input) { in.Epsilon = 1 },
	} {
		bad := in
		bad.Want = All()
		spoil(&bad)
		if _, _, err := Round(context.Background(), bad); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	in.Want = All()
	if _, _, err := Round(stopped, in); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped round: %v", err)
	}
}

func TestRoundsThatCannotBeRepeated(t *testing.T) {
	job := smallJob(t)
	in := roundOf(t, job, everyone)
	kept := *job
	kept.Local.SGD.Momentum, kept.Local.KeepState = 0.9, true
	in.Job = &kept
	got := measure(t, in, All()...)
	if len(got.readings) != 0 || len(got.missing) != len(All()) {
		t.Fatalf("%d readings and %d missing, want every study missing", len(got.readings), len(got.missing))
	}
	for _, s := range All() {
		got.lacks(string(s), "states of their own")
	}
	bare := *job
	train := *job.Data.Train
	train.Values = nil
	bare.Data.Train = &train
	in.Job = &bare
	got = measure(t, in, Updates)
	got.lacks(string(Updates), "no training data")
}

// Measuring everything between the rounds of a run leaves its model as it is.
func TestMeasuringNeverChangesTraining(t *testing.T) {
	job := smallJob(t)
	run := func(each func(round int, plan localsgd.Plan, start, next []float32)) tensor.Hash {
		runner := &localsgd.Runner{Job: job, Algorithm: everyone}
		start, next := everyone.Start(job), make([]float32, job.Net.Parameters())
		for round := 1; round <= 4; round++ {
			facts, err := runner.Round(context.Background(), round, start, next)
			if err != nil {
				t.Fatal(err)
			}
			if each != nil {
				each(round, facts.Plan, start, next)
			}
			start, next = next, start
		}
		return tensor.HashBlock(start)
	}
	want := run(nil)
	seen := 0
	got := run(func(_ int, plan localsgd.Plan, start, next []float32) {
		before, after := slices.Clone(start), slices.Clone(next)
		in := Input{Job: job, Algorithm: everyone, Plan: plan, Shards: plan.Shards(), Start: start, Next: next, Options: Options{Draws: 2}}
		seen += len(measure(t, in, All()...).readings)
		if !slices.Equal(before, start) || !slices.Equal(after, next) {
			t.Error("a model was changed")
		}
	})
	if got != want || seen == 0 {
		t.Errorf("after %d readings the model is %v, want %v", seen, got, want)
	}
}
