package localsgd

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// referenceTolerance: our float32 against PyTorch's float64, relative to each tensor's largest value.
const referenceTolerance = 2e-5

type referenceCase struct {
	Layers []struct {
		Linear    *struct{ In, Out int }
		ReLU      *struct{}               `json:"relu"`
		BatchNorm *struct{ Features int } `json:"batch_norm"`
	}
	Batch, Steps, Rounds int
	Shards               []int
	Optimizer            struct {
		SGD   *struct{ LR float64 }
		AdamW *struct {
			LR          float64
			WeightDecay float64 `json:"weight_decay"`
		}
	}
	Server       map[string]map[string]any
	Weighting    string
	ProxMu       float64 `json:"prox_mu"`
	KeepState    bool    `json:"keep_state"`
	Participants [][]int
	ShardSteps   []int `json:"shard_steps"`
}

// rule returns the rule of a case by its name in localsgd.Rules, with the case's parameters.
func (c referenceCase) rule(t *testing.T) Rule {
	t.Helper()
	for _, rule := range Rules() {
		parameters, found := c.Server[rule.Name()]
		if !found {
			continue
		}
		made := reflect.New(reflect.TypeOf(rule)).Elem()
		made.Set(reflect.ValueOf(rule))
		for name, value := range parameters {
			field := made.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
			field.Set(reflect.ValueOf(value))
		}
		return made.Interface().(Rule)
	}
	t.Fatalf("no rule of %v", c.Server)
	return nil
}

// local returns the local work of a case.
func (c referenceCase) local() Local {
	l := Local{
		Schedule: shard.Schedule{Order: shard.Sequential, Batch: c.Batch, Steps: max(c.Steps, slices.Max(append(c.ShardSteps, 0)))},
		ProxMu:   c.ProxMu, KeepState: c.KeepState,
	}
	if o := c.Optimizer.SGD; o != nil {
		l.SGD.LR = o.LR
	}
	if o := c.Optimizer.AdamW; o != nil {
		l.AdamW = &AdamW{LR: o.LR, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: o.WeightDecay}
	}
	return l
}

// plan returns the plan of a case's round.
func (c referenceCase) plan(a Algorithm, job *Job, round int) Plan {
	shards := Participation{}.Draw(1, round, make([]int, len(c.Shards)))
	if c.Participants != nil {
		shards = c.Participants[round-1]
	}
	var steps []int
	for _, k := range shards {
		if c.ShardSteps != nil {
			steps = append(steps, c.ShardSteps[k])
		}
	}
	return a.PlanOf(job, round, shards, steps)
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func readTensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	info, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(r, info.Size(), path)
	if err != nil {
		t.Fatal(err)
	}
	tensors := make(map[string][]float32)
	for _, i := range f.Tensors() {
		tensors[i.Name] = make([]float32, tensorSize(i.Shape))
		if err := f.ReadFloat32(i.Name, tensors[i.Name]); err != nil {
			t.Fatal(err)
		}
	}
	return tensors
}

// referenceJob builds the job of a case: contiguous shards, each walked in its order from the first example on.
func referenceJob(t *testing.T, c referenceCase, data map[string][]float32) *Job {
	t.Helper()
	var layers []relu.Layer
	for _, l := range c.Layers {
		switch {
		case l.Linear != nil:
			layers = append(layers, relu.Linear{In: l.Linear.In, Out: l.Linear.Out, Bias: true})
		case l.BatchNorm != nil:
			layers = append(layers, relu.BatchNorm{Features: l.BatchNorm.Features, Dims: 1, Eps: 1e-5, Momentum: 0.1})
		default:
			layers = append(layers, relu.ReLU{})
		}
	}
	in := c.Layers[0].Linear.In
	net, err := relu.New(layers, []int{in}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	train := &shard.Set{Shape: []int{in}, N: len(data["y"]), Classes: net.Outputs(), Outputs: net.Outputs(), Values: data["x"]}
	for _, y := range data["y"] {
		train.Labels = append(train.Labels, int32(y))
	}
	shards, err := shard.Split(shard.Contiguous{Sizes: c.Shards}, train, len(c.Shards), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Seed: 1, Net: net, Data: shard.Data{Train: train}, Shards: shards}
}

// Every case of the reference, with its rule, its participants and its step counts.
func TestRoundsAgreeWithPyTorch(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "reference", "fed_*"))
	if err != nil || len(names) != 14 {
		t.Fatalf("%d cases, %v", len(names), err)
	}
	worst := deviation{}
	for _, dir := range names {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			of := deviationOf(t, dir)
			t.Logf("worst deviation: %.2g of the largest value, in %s", of.relative, of.where)
			if of.where == "" || of.relative > referenceTolerance {
				t.Errorf("deviates by %g in %s, want at most %g", of.relative, of.where, referenceTolerance)
			}
			if of.relative > worst.relative {
				worst = deviation{of.relative, filepath.Base(dir) + " " + of.where}
			}
		})
	}
	t.Logf("worst of all: %.2g, in %s", worst.relative, worst.where)
}

func TestReferenceCasesAreUnchanged(t *testing.T) {
	dir := filepath.Join("testdata", "reference")
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
			t.Errorf("%s has SHA-256 %s, want %s", name, got, want)
		}
	}
}

// deviationOf runs a case and returns the worst deviation of any round.
func deviationOf(t *testing.T, dir string) deviation {
	t.Helper()
	var c referenceCase
	readJSON(t, filepath.Join(dir, "case.json"), &c)
	job := referenceJob(t, c, readTensors(t, filepath.Join(dir, "data.safetensors")))
	a := Algorithm{Rule: c.rule(t)}
	var err error
	if job.Local, err = a.Prepare(c.local()); err != nil {
		t.Fatal(err)
	}
	runner, n := &Runner{Job: job, Algorithm: a}, job.Net.Parameters()
	start := a.Start(job)
	copy(start, blockOf(t, job.Net.Layout(), readTensors(t, filepath.Join(dir, "init.safetensors")), ""))
	want := readTensors(t, filepath.Join(dir, "expected.safetensors"))
	next := make([]float32, len(start))
	worst := deviation{}
	for round := 1; round <= c.Rounds; round++ {
		if _, err := runner.Carry(context.Background(), c.plan(a, job, round), start, next); err != nil {
			t.Fatal(err)
		}
		expected := blockOf(t, job.Net.Layout(), want, fmt.Sprintf("round%d.", round))
		worst.take(job.Net.Layout(), round, next[:n], expected)
		start, next = next, start
	}
	return worst
}

func blockOf(t *testing.T, l *tensor.Layout, tensors map[string][]float32, prefix string) []float32 {
	t.Helper()
	block := make([]float32, l.Size())
	for i := range l.Len() {
		v := l.At(i)
		values := tensors[prefix+v.Name]
		if len(values) != v.Size {
			t.Fatalf("%s has %d values, want %d", prefix+v.Name, len(values), v.Size)
		}
		copy(tensor.Of(block, v), values)
	}
	return block
}

type deviation struct {
	relative float64
	where    string
}

func (d *deviation) take(l *tensor.Layout, round int, got, want []float32) {
	for i := range l.Len() {
		v := l.At(i)
		largest := float64(maxMagnitude(tensor.Of(want, v)))
		for j := v.Offset; j < v.Offset+v.Size; j++ {
			if r := math.Abs(float64(got[j])-float64(want[j])) / largest; r >= d.relative {
				*d = deviation{r, fmt.Sprintf("round %d %s[%d]", round, v.Name, j-v.Offset)}
			}
		}
	}
}

func tensorSize(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
