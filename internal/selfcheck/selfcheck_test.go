package selfcheck

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// smallJob is a job of five shards of unequal sizes.
func smallJob(t *testing.T, layers []relu.Layer, local localsgd.Local) *localsgd.Job {
	t.Helper()
	const n, in, classes = 75, 6, 3
	s := keyed.New(11, "selfcheck test")
	train := &shard.Set{Shape: []int{in}, N: n, Classes: classes, Outputs: classes}
	for range n {
		for range in {
			train.Values = append(train.Values, float32(s.Normal()))
		}
		train.Labels = append(train.Labels, int32(s.Below(classes)))
	}
	net, err := relu.New(layers, []int{in}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	split, err := shard.Split(shard.Quantity{Rate: 0.5}, train, 5, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &localsgd.Job{Seed: 3, Net: net, Data: shard.Data{Train: train, Test: train}, Shards: split, Local: local}
}

var plainNet = relu.MLP{Input: 6, Hidden: []int{40, 9}, Output: 3}.Layers()

func subject(t *testing.T, layers []relu.Layer, local localsgd.Local, a localsgd.Algorithm) *Subject {
	t.Helper()
	job := smallJob(t, layers, local)
	var err error
	if job.Local, err = a.Prepare(local); err != nil {
		t.Fatal(err)
	}
	s, err := Cut(job, a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func momentum(t *testing.T) *Subject {
	return subject(t, plainNet, localsgd.Local{Schedule: shard.Schedule{Epochs: 3, Batch: 4}, SGD: localsgd.SGD{LR: 0.1, Momentum: 0.5, WeightDecay: 0.01}},
		localsgd.Algorithm{Rule: localsgd.FedAvgM{LR: 1, Beta: 0.9}, Participation: localsgd.Participation{Partial: true, Count: 2}})
}

func TestEverythingHoldsForPlainTraining(t *testing.T) {
	s := momentum(t)
	results, err := Check(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(properties()) {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		if r.Property == arrivalProperty.name {
			if r.Verdict != NotApplicable {
				t.Errorf("%s: %s for planned rounds", r.Property, r.Verdict)
			}
			continue
		}
		if r.Verdict != Holds && (r.Property != kernelsProperty.name || len(kernel.Available()) > 1) {
			t.Errorf("%s: %s, %s (%s)", r.Property, r.Verdict, r.Measured, r.Detail)
		}
	}
	cut := strings.Join(s.Cut, "; ")
	for _, want := range []string{"shards: 4 of 5", "epochs: 2 instead of 3", "rounds: at most 4"} {
		if !strings.Contains(cut, want) {
			t.Errorf("cut down: %s; want %q", cut, want)
		}
	}
}

// nudge changes the last bit of a number.
func nudge(x *float32) { *x = math.Nextafter32(*x, math.MaxFloat32) }

// doubled hands on a gradient whose first piece is a thousandth too large.
type doubled struct{ relu.Sink[float64] }

func (s doubled) Gradient(offset int, g []float64) {
	if offset == 0 {
		for i := range g {
			g[i] *= 1.001
		}
	}
	s.Sink.Gradient(offset, g)
}

// naiveMean sums floats in the order in which they come.
func naiveMean(g *localsgd.Grid, groups [][]update) ([]float32, error) {
	sum := make([]float32, g.Layout().Size())
	for _, group := range groups {
		for _, u := range group {
			for i, x := range u.end {
				sum[i] += float32(u.Weight.Float()) * x
			}
		}
	}
	return sum, nil
}

// nudgeTasks changes the last bit of what tasks end with, where when says so.
func nudgeTasks(c *code, when func() bool) {
	task := c.task
	c.task = func(ctx context.Context, t *localsgd.Trainer, k localsgd.Task, g *localsgd.Grid, b localsgd.Blocks) (localsgd.Facts, error) {
		f, err := task(ctx, t, k, g, b)
		if when() {
			nudge(&b.End[5])
		}
		return f, err
	}
}

// faults breaks each property in a way of its own.
var faults = []struct {
	breaks       property
	fault        func(c *code)
	asynchronous bool // of asynchronous rounds
}{
	{gradientProperty, func(c *code) {
		backward := c.backward
		c.backward = func(m *relu.Machine[float64], params []float64, b *relu.Batch[float64], sink relu.Sink[float64]) float64 {
			return backward(m, params, b, doubled{sink})
		}
	}, false},
	{joinedProperty, func(c *code) {
		rounds := c.roundsDouble
		c.roundsDouble = func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, n int) ([]float64, error) {
			a.Weighting = localsgd.Uniform // of shards of unequal sizes
			return rounds(ctx, job, a, n)
		}
	}, false},
	{joinedSingleProperty, func(c *code) {
		rounds := c.rounds
		c.rounds = func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, n int) ([]float32, error) {
			a.Weighting = localsgd.Uniform
			return rounds(ctx, job, a, n)
		}
	}, false},
	{oneShardProperty, func(c *code) {
		rounds := c.rounds
		c.rounds = func(ctx context.Context, job *localsgd.Job, a localsgd.Algorithm, n int) ([]float32, error) {
			model, err := rounds(ctx, job, a, n)
			nudge(&model[7])
			return model, err
		}
	}, false},
	{orderProperty, func(c *code) { c.mean = naiveMean }, false},
	{conservationProperty, func(c *code) { c.mean = naiveMean }, false},
	{weightsProperty, func(c *code) {
		plan := c.plan
		c.plan = func(s *setting, round int) localsgd.Plan {
			p := plan(s, round)
			p.Tasks[0].Weight -= 1 << 5
			return p
		}
	}, false},
	{zeroRateProperty, func(c *code) { nudgeTasks(c, func() bool { return true }) }, false},
	{resumeProperty, func(c *code) {
		c.goOn = func(ctx context.Context, s *setting, from *localsgd.RunState[float32], rounds int) (localsgd.RunState[float32], error) {
			if from != nil {
				clear(from.Block[s.job.Net.Parameters():]) // the rule's momentum is forgotten
			}
			return goOn(ctx, s, from, rounds)
		}
	}, false},
	{arrivalProperty, func(c *code) {
		c.carry = func(ctx context.Context, s *setting, rounds [][]localsgd.Arrival) (localsgd.AsyncState, error) {
			state, err := carry(ctx, s, rounds)
			nudge(&state.Block[3])
			return state, err
		}
	}, true},
	{resumeProperty, func(c *code) {
		c.goOnAsync = func(ctx context.Context, s *setting, from *localsgd.AsyncState, rounds int) (localsgd.AsyncState, [][]localsgd.Arrival, error) {
			if from != nil {
				for _, older := range from.Past {
					clear(older)
				}
			}
			return goOnAsync(ctx, s, from, rounds)
		}
	}, true},
	{kernelsProperty, func(c *code) { nudgeTasks(c, func() bool { return kernel.InUse() == "portable" }) }, false},
	{parallelProperty, func(c *code) {
		var tasks atomic.Int32
		nudgeTasks(c, func() bool { return tasks.Add(1) == 7 })
	}, false},
	{evaluationProperty, func(c *code) {
		evaluate := c.evaluate
		c.evaluate = func(ctx context.Context, net *relu.Network, set *shard.Set, parallel int, model []float32) (localsgd.Score, error) {
			score, err := evaluate(ctx, net, set, parallel, model)
			score.Loss += float64(parallel) * 1e-15
			return score, err
		}
	}, false},
}

// buffered is a subject whose rule is asynchronous.
func buffered(t *testing.T) *Subject {
	return subject(t, plainNet, localsgd.Local{Schedule: shard.Schedule{Epochs: 3, Batch: 4}, SGD: localsgd.SGD{LR: 0.1}},
		localsgd.Algorithm{Rule: localsgd.FedBuff{LR: 0.7, Beta: 0.9, Buffer: 3, Exponent: 0.5, After: 1, MaxStaleness: 3}})
}

func TestEverythingHoldsForAsynchronousRounds(t *testing.T) {
	s := buffered(t)
	results, err := Check(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Verdict != Holds && (r.Property != kernelsProperty.name || len(kernel.Available()) > 1) {
			t.Errorf("%s: %s, %s (%s)", r.Property, r.Verdict, r.Measured, r.Detail)
		}
		if r.Property == arrivalProperty.name && strings.Contains(r.Detail, "which 0 started") {
			t.Errorf("%s: %s: want some stale updates", r.Property, r.Detail)
		}
	}
	if cut := strings.Join(s.Cut, "; "); !strings.Contains(cut, "buffer: 2 instead of 3") {
		t.Errorf("cut down: %s", cut)
	}
}

func TestEveryPropertyCanFail(t *testing.T) {
	plain, async := momentum(t), buffered(t)
	broken := map[string]bool{}
	for _, f := range faults {
		s := plain
		if f.asynchronous {
			s = async
		}
		broken[f.breaks.name] = true
		if f.breaks.reason != nil && f.breaks.reason(s) != "" {
			t.Logf("%s: %s", f.breaks.name, f.breaks.reason(s))
			continue
		}
		c := theCode()
		f.fault(c)
		if r := f.breaks.check(context.Background(), s, c); r.Verdict != Fails {
			t.Errorf("%s: %s with a fault, %s (%s)", r.Property, r.Verdict, r.Measured, r.Detail)
		}
	}
	for _, p := range properties() {
		if !broken[p.name] {
			t.Errorf("%s has no fault", p.name)
		}
	}
}

func TestPropertiesThatDoNotApplySayWhy(t *testing.T) {
	sgd := localsgd.SGD{LR: 0.1}
	schedule := shard.Schedule{Epochs: 1, Batch: 4}
	norm := relu.MLP{Input: 6, Hidden: []int{7}, Output: 3, Norm: relu.BatchNorms}.Layers()
	average := localsgd.Algorithm{Rule: localsgd.FedAvg{LR: 1}}
	for _, c := range []struct {
		name   string
		layers []relu.Layer
		local  localsgd.Local
		rule   localsgd.Algorithm
		want   map[string]string // by property, what its reason says
	}{
		{"batch norm", norm, localsgd.Local{Schedule: schedule, SGD: sgd}, average, map[string]string{joinedProperty.name: "batch norm", joinedSingleProperty.name: "batch norm"}},
		{"adamw", plainNet, localsgd.Local{Schedule: schedule, AdamW: &localsgd.AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, KeepState: true}, average,
			map[string]string{joinedProperty.name: "adamw", joinedSingleProperty.name: "adamw"}},
		{"clipping", plainNet, localsgd.Local{Schedule: schedule, SGD: sgd, ClipNorm: 1}, average, map[string]string{joinedProperty.name: "clipping", joinedSingleProperty.name: "clipping"}},
		{"personal", norm, localsgd.Local{Schedule: schedule, SGD: sgd, FedBN: true}, average,
			map[string]string{joinedProperty.name: "batch norm", joinedSingleProperty.name: "batch norm", oneShardProperty.name: "personal"}},
		{"scaffold", plainNet, localsgd.Local{Schedule: schedule, SGD: sgd}, localsgd.Algorithm{Rule: localsgd.Scaffold{LR: 1, Option: 2}}, nil},
		{"diverges", plainNet, localsgd.Local{Schedule: schedule, SGD: localsgd.SGD{LR: 1e20}}, average, map[string]string{
			joinedSingleProperty.name: "diverges", oneShardProperty.name: "diverges", orderProperty.name: "diverges",
			conservationProperty.name: "diverges", resumeProperty.name: "diverges", kernelsProperty.name: "diverges", parallelProperty.name: "diverges"}},
	} {
		results, err := Check(context.Background(), subject(t, c.layers, c.local, c.rule))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			want, none := c.want[r.Property]
			switch {
			case none && (r.Verdict != NotApplicable || !strings.Contains(r.Detail, want) || r.Measured != ""):
				t.Errorf("%s: %s: %s, %q; want a reason with %q", c.name, r.Property, r.Verdict, r.Detail, want)
			case !none && r.Verdict != Holds && r.Property != kernelsProperty.name && r.Property != arrivalProperty.name:
				t.Errorf("%s: %s: %s, %s (%s)", c.name, r.Property, r.Verdict, r.Measured, r.Detail)
			}
		}
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Check(ctx, momentum(t)); err == nil {
		t.Error("no error")
	}
}
