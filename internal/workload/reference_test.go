package workload_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// reference is a case of PyTorch in float64, as a run of one shard and one round that starts from a file: what a spec says
// goes all the way to the kernels.
type reference struct {
	dir   string
	job   *localsgd.Job
	start []float32
}

// loadReference makes a spec of a case, whose vocabulary is ours; JSON is YAML.
func loadReference(t *testing.T, dir string, precision string) *reference {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Layers, Loss, Optimizer, Batch, Steps json.RawMessage
		Smoothing                             float64 `json:"label_smoothing"`
		Clip                                  float64 `json:"clip_norm"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(map[string]any{
		"data":  map[string]any{"safetensors": map[string]any{"train": "data.safetensors", "test": "data.safetensors"}},
		"model": map[string]any{"layers": c.Layers, "init": map[string]any{"file": map[string]any{"safetensors": "init.safetensors"}}},
		"loss":  c.Loss, "label_smoothing": c.Smoothing, "precision": precision,
		"shards": map[string]any{"count": 1, "partition": map[string]any{"contiguous": map[string]any{}}},
		"local": map[string]any{
			"order": "sequential", "batch": c.Batch, "steps": c.Steps, "optimizer": c.Optimizer, "clip_norm": c.Clip,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.Parse("case", written, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Under(dir)
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{dir: dir}
	if r.job, err = workload.Job(s, data); err != nil {
		t.Fatal(err)
	}
	r.start = make([]float32, r.job.Net.Parameters())
	if err := workload.ReadStart(s.Model.File, r.job.Net.Layout(), r.start); err != nil {
		t.Fatal(err)
	}
	return r
}

// train returns the end of the case's steps, and the sum of their losses.
func (r *reference) train(t *testing.T) ([]float32, float64) {
	t.Helper()
	end := make([]float32, len(r.start))
	facts, err := localsgd.NewTrainer(r.job).Train(context.Background(), localsgd.Task{Round: 1},
		localsgd.NewGrid(r.job.Net.Layout(), r.start), localsgd.Blocks{Start: r.start, End: end})
	if err != nil {
		t.Fatal(err)
	}
	return end, facts.LossSum
}

// deviation returns the worst difference from what PyTorch has, relative to the largest value of the tensor, and where.
func (r *reference) deviation(t *testing.T, end []float32, lossSum float64) (worst float64, where string) {
	t.Helper()
	want := readTensors(t, filepath.Join(r.dir, "expected.safetensors"))
	compare := func(name string, got, want []float32) {
		largest, difference := 0.0, 0.0
		for i := range want {
			largest = max(largest, math.Abs(float64(want[i])))
			difference = max(difference, math.Abs(float64(got[i])-float64(want[i])))
		}
		if d := difference / largest; !(d <= worst) {
			worst, where = d, name
		}
	}
	sum := 0.0
	for _, loss := range want["losses"] {
		sum += float64(loss)
	}
	compare("losses", []float32{float32(lossSum)}, []float32{float32(sum)})
	layout := r.job.Net.Layout()
	for i := range layout.Len() {
		v := layout.At(i)
		after := want["after."+v.Name]
		if len(after) != v.Size {
			t.Fatalf("%s has %d values, want %d", v.Name, len(after), v.Size)
		}
		compare("after."+v.Name, tensor.Of(end, v), after)
	}
	return worst, where
}

func readTensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
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
		tensors[i.Name] = make([]float32, i.Len())
		if err := f.ReadFloat32(i.Name, tensors[i.Name]); err != nil {
			t.Fatal(err)
		}
	}
	return tensors
}

// Every case that is no round trains to PyTorch's parameters, from the spec on and by the code of a worker's task. In
// float64 what is left is the rounding of the result, and that of the expected values, to float32.
func TestTrainingAgreesWithPyTorch(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join("..", "..", "localsgd", "relu", "testdata", "reference", "*", "case.json"))
	if err != nil || len(cases) != 8 {
		t.Fatalf("%d cases (%v)", len(cases), err)
	}
	for precision, allowed := range map[string]float64{"float32": 2e-5, "float64": 0x1p-23} {
		worst, at := 0.0, ""
		for _, file := range cases {
			dir := filepath.Dir(file)
			t.Run(precision+"/"+filepath.Base(dir), func(t *testing.T) {
				r := loadReference(t, dir, precision)
				end, lossSum := r.train(t)
				d, where := r.deviation(t, end, lossSum)
				t.Logf("worst: %s, off by %.3g of its largest value", where, d)
				if !(d <= allowed) {
					t.Errorf("%s is off by %.3g of its largest value, allowed %.3g", where, d, allowed)
				}
				if !(d <= worst) {
					worst, at = d, filepath.Base(dir)+" "+where
				}
			})
		}
		t.Logf("worst of all in %s: %.3g, in %s", precision, worst, at)
	}
}

// PyTorch's own files have our names, shapes and order.
func TestLayoutsHaveTheOrderOfStateDicts(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join("..", "..", "localsgd", "relu", "testdata", "reference", "*", "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		descs := loadReference(t, filepath.Dir(file), "float32").job.Net.Layout().Descs()
		if !slices.IsSortedFunc(descs, func(a, b tensor.Desc) int { return tensor.CompareNames(a.Name, b.Name) }) {
			t.Errorf("%s: the layout is not in the order of state_dict(): %v", file, descs)
		}
	}
}
