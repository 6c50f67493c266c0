package checkpoints

import (
	"math"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// keyedSet is a set of n examples of Gaussian inputs, the last of which is 0 throughout if there is more than one. Labels are the
// largest of the first inputs; without classes each example has a number to be predicted.
func keyedSet(seed uint64, n, inputs, classes int) *shard.Set {
	s := keyed.New(seed, "checkpoints")
	set := &shard.Set{Shape: []int{inputs}, N: n, Classes: classes, Outputs: max(classes, 1)}
	for range n {
		for j := range inputs {
			v := float32(s.Normal())
			if j > 0 && j == inputs-1 {
				v = 0
			}
			set.Values = append(set.Values, v)
		}
		if classes > 0 {
			best := 0
			for j := range min(classes, inputs) {
				if x := set.Values[len(set.Values)-inputs:]; x[j] > x[best] {
					best = j
				}
			}
			set.Labels = append(set.Labels, int32(best))
		} else {
			set.Targets = append(set.Targets, float32(s.Normal()))
		}
	}
	return set
}

// jobOf trains a network on 60 examples in three shards, and tests it on 1,200.
func jobOf(t *testing.T, layers []relu.Layer, inputs, classes int) *localsgd.Job {
	t.Helper()
	loss := relu.MSE
	if classes > 0 {
		loss = relu.CrossEntropy
	}
	net, err := relu.New(layers, []int{inputs}, loss)
	if err != nil {
		t.Fatal(err)
	}
	shards := make(shard.Shards, 3)
	for i := range int32(60) {
		shards[i/20] = append(shards[i/20], i)
	}
	job := &localsgd.Job{Seed: 3, Net: net, Shards: shards,
		Data:  shard.Data{Train: keyedSet(1, 60, inputs, classes), Test: keyedSet(2, 1200, inputs, classes)},
		Local: localsgd.Local{Schedule: shard.Schedule{Steps: 5, Batch: 4}, SGD: localsgd.SGD{LR: 0.1, WeightDecay: 0.02}}}
	if err := job.Check(); err != nil {
		t.Fatal(err)
	}
	return job
}

// save writes a block of the job's network as a checkpoint.
func save(t *testing.T, name string, layout *tensor.Layout, block []float32) string {
	t.Helper()
	var tensors []safetensors.Tensor
	for i := range layout.Len() {
		v := layout.At(i)
		tensors = append(tensors, safetensors.Tensor{Name: v.Name, Shape: v.Shape, Values: tensor.Of(block, v)})
	}
	return write(t, name, tensors...)
}

// opened measures blocks of the job's network, written as a.safetensors and so on, with its data.
func opened(t *testing.T, job *localsgd.Job, blocks ...[]float32) *Report {
	t.Helper()
	var paths []string
	for i, b := range blocks {
		paths = append(paths, save(t, string(rune('a'+i))+".safetensors", job.Net.Layout(), b))
	}
	models, err := Open(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := NewSubject(job, models[0].Layout)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Measure(t.Context(), models, subject, Options{Ranks: analysis.RankOptions{Epsilon: 1e-3}, Align: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keyedBlock is a block of the job's network that is not its start.
func keyedBlock(job *localsgd.Job, key uint64) []float32 {
	s := keyed.New(key, "checkpoints block")
	block := make([]float32, job.Net.Parameters())
	layout := job.Net.Layout()
	for i := range layout.Len() {
		values := tensor.Of(block, layout.At(i))
		for j := range values {
			values[j] = float32(s.Normal())
			if layout.At(i).Buffer {
				values[j] *= values[j] // a variance is positive
			}
		}
	}
	return block
}

// TestPathNormLeavesOutTheSkip: M17 counts neither the skip connection nor the last bias of a shallow network of one input.
func TestPathNormLeavesOutTheSkip(t *testing.T) {
	job := jobOf(t, relu.Shallow{Input: 1, Width: 5, Output: 1, Skip: true}.Layers(), 1, 0)
	block := keyedBlock(job, 1)
	u, err := norm.NewUnivariate(job.Net, block)
	if err != nil {
		t.Fatal(err)
	}
	got := numbers(opened(t, job, block))["a.safetensors  path_norm"]
	if want := u.PathNorm(); got != want || u.Skip == 0 {
		t.Errorf("path norm %v, want %v with a skip of %v left out", got, want, u.Skip)
	}
}

// passing is a block of linear 3-4, norm, relu, linear 4-3 that passes each input on to its class, through the unit that lies so
// many further.
func passing(job *localsgd.Job, further int) []float32 {
	block := make([]float32, job.Net.Parameters())
	values := func(name string) []float32 {
		v, _ := job.Net.Layout().Lookup(name)
		return tensor.Of(block, v)
	}
	for i := range 4 {
		values("1.weight")[i], values("1.running_var")[i] = 1, 1
	}
	for i := range 3 {
		unit := (i + further) % 4
		values("0.weight")[3*unit+i], values("3.weight")[4*i+unit] = 1, 5
	}
	return block
}

// TestBarrierRecalibrates: M18 looks at the first 1,000 examples and recomputes running statistics on the probe.
func TestBarrierRecalibrates(t *testing.T) {
	bn := relu.BatchNorm{Features: 4, Dims: 1, Eps: relu.DefaultEps, Momentum: relu.DefaultMomentum}
	layers := []relu.Layer{relu.Linear{In: 3, Out: 4, Bias: true}, bn, relu.ReLU{}, relu.Linear{In: 4, Out: 3, Bias: true}}
	job := jobOf(t, layers, 3, 3)
	a, b := passing(job, 0), passing(job, 1) // the same function with units in another order, which their mean mixes up
	test := keyedSet(2, 1200, 3, 3)
	test.N, test.Labels, test.Values = 1000, test.Labels[:1000], test.Values[:3000]
	all := make([]int32, 60)
	for i := range all {
		all[i] = int32(i)
	}
	r, err := averaging.NewRecalibrator(job.Net, 60)
	if err != nil {
		t.Fatal(err)
	}
	batch := localsgd.Fill(relu.NewMachine[float32](job.Net, 60), job.Data.Train, all)
	want, err := averaging.MeasureBarrier(a, b, func(p []float32) (float64, error) {
		r.Recalibrate(p, batch)
		s, err := localsgd.NewEvaluator(job.Net, test, 1).Evaluate(t.Context(), p)
		return s.Loss, err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := numbers(opened(t, job, a, b))["a.safetensors-b.safetensors  barrier"]
	if got != want.Height || got == 0 {
		t.Errorf("barrier %v, want %v", got, want.Height)
	}
}

// TestNoiseTwin computes M14 again, batch by batch in float64.
func TestNoiseTwin(t *testing.T) {
	job := jobOf(t, relu.MLP{Input: 6, Hidden: []int{5}, Output: 3}.Layers(), 6, 3)
	block := keyedBlock(job, 1)
	var gradients [][]float32
	mean := make([]float64, len(block))
	for _, batch := range noise.Draw(job.Seed, 0, 0, 60, 4) {
		machine, g := relu.NewMachine[float32](job.Net, 4), make(collected, len(block))
		machine.Probe(block, localsgd.Fill(machine, job.Data.Train, batch), &g)
		gradients = append(gradients, g)
		for i, v := range g {
			mean[i] += float64(v) / noise.Batches
		}
	}
	spread, square := 0.0, 0.0
	for i, m := range mean {
		square += m * m
		for _, g := range gradients {
			spread += (float64(g[i]) - m) * (float64(g[i]) - m) / (noise.Batches - 1)
		}
	}
	got := numbers(opened(t, job, block))
	scale := 4 * spread / (square - spread/noise.Batches)
	for quantity, want := range map[string]float64{"gradient_spread": spread, "gradient_square": square, "noise_scale": scale} {
		if v := got["a.safetensors  "+quantity]; !(math.Abs(v-want) <= 1e-6*want) && !(want < 0 && math.IsNaN(v)) {
			t.Errorf("%s is %v, want %v", quantity, v, want)
		}
	}
}

// renamed writes a network 6-5-5-3 whose layers have these names, and returns what it is as a checkpoint.
func renamed(t *testing.T, job *localsgd.Job, block []float32, order []string, names ...string) (*Model, error) {
	t.Helper()
	var tensors []safetensors.Tensor
	for i := range job.Net.Layout().Len() {
		v := job.Net.Layout().At(i)
		name := names[i/2] + strings.TrimLeft(v.Name, "0123456789")
		tensors = append(tensors, safetensors.Tensor{Name: name, Shape: v.Shape, Values: tensor.Of(block, v)})
	}
	models, err := Open([]string{write(t, "m.safetensors", tensors...)}, order)
	if err != nil {
		return nil, err
	}
	return models[0], nil
}

// TestLayersOfOtherNames: numbers in names count, and where the order of names is not that of the network somebody has to tell it.
func TestLayersOfOtherNames(t *testing.T) {
	job := jobOf(t, relu.MLP{Input: 6, Hidden: []int{5, 5}, Output: 3}.Layers(), 6, 3)
	block := keyedBlock(job, 1)
	want := numbers(opened(t, job, block))["a.safetensors  test_loss"]
	for _, c := range []struct{ names, order []string }{
		{[]string{"fc2", "fc9", "fc10"}, nil},
		{[]string{"net.0", "net.2", "net.4"}, nil},
		{[]string{"enter", "middle", "leave"}, []string{"enter", "middle", "leave"}},
	} {
		m, err := renamed(t, job, block, c.order, c.names...)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := NewSubject(job, m.Layout)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Measure(t.Context(), []*Model{m}, subject, Options{Ranks: analysis.RankOptions{Epsilon: 1e-3}})
		if err != nil {
			t.Fatal(err)
		}
		if got := numbers(r)["m.safetensors  test_loss"]; got != want || !strings.Contains(r.Notes[0], strings.Join(c.names, ", ")) {
			t.Errorf("%v: loss %v, want %v; notes %q", c.names, got, want, r.Notes)
		}
	}
	m, err := renamed(t, job, block, nil, "enter", "middle", "leave")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSubject(job, m.Layout); err == nil || !strings.Contains(err.Error(), "--layers") {
		t.Errorf("%v, want what to do about the order", err)
	}
	if _, err := renamed(t, job, block, []string{"enter", "leave"}, "enter", "middle", "leave"); err == nil || !strings.Contains(err.Error(), "want all of enter,leave,middle") {
		t.Errorf("%v, want the names of all layers", err)
	}
}
