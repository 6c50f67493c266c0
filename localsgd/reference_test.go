package localsgd

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
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
		Linear *struct{ In, Out int }
		ReLU   *struct{} `json:"relu"`
	}
	Batch, Steps, Rounds int
	Shards               []int
	Optimizer            struct{ SGD struct{ LR float64 } }
	Server               struct{ FedAvg struct{ LR *float64 } }
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
		if l.Linear != nil {
			layers = append(layers, relu.Linear{In: l.Linear.In, Out: l.Linear.Out, Bias: true})
		} else {
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
	return &Job{
		Seed: 1, Net: net, Data: shard.Data{Train: train}, Shards: shards,
		Local: Local{Schedule: shard.Schedule{Order: shard.Sequential, Batch: c.Batch, Steps: c.Steps}, SGD: SGD{LR: c.Optimizer.SGD.LR}},
	}
}

func TestRoundsAgreeWithPyTorch(t *testing.T) {
	for _, name := range []string{"fed_fedavg", "fed_fedavg_server_lr"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", "reference", name)
			var c referenceCase
			readJSON(t, filepath.Join(dir, "case.json"), &c)
			job := referenceJob(t, c, readTensors(t, filepath.Join(dir, "data.safetensors")))
			rule := FedAvg{LR: 1}
			if c.Server.FedAvg.LR != nil {
				rule.LR = *c.Server.FedAvg.LR
			}
			runner := &Runner{Job: job, Algorithm: Algorithm{Rule: rule}}
			start := blockOf(t, job.Net.Layout(), readTensors(t, filepath.Join(dir, "init.safetensors")), "")
			want := readTensors(t, filepath.Join(dir, "expected.safetensors"))
			next := make([]float32, len(start))
			worst := deviation{}
			for round := 1; round <= c.Rounds; round++ {
				if _, err := runner.Round(context.Background(), round, start, next); err != nil {
					t.Fatal(err)
				}
				expected := blockOf(t, job.Net.Layout(), want, fmt.Sprintf("round%d.", round))
				worst.take(job.Net.Layout(), round, next, expected)
				start, next = next, start
			}
			t.Logf("worst deviation: %.2g of the largest value, in %s", worst.relative, worst.where)
			if worst.where == "" || worst.relative > referenceTolerance {
				t.Errorf("deviates by %g in %s, want at most %g", worst.relative, worst.where, referenceTolerance)
			}
		})
	}
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
