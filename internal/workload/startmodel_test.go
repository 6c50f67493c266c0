package workload_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func write(t *testing.T, tensors ...safetensors.Tensor) string {
	t.Helper()
	var file bytes.Buffer
	if err := safetensors.Write(&file, tensors, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "start.safetensors")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func network(t *testing.T, layers []relu.Layer, input ...int) *relu.Network {
	t.Helper()
	net, err := relu.New(layers, input, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

var small = []relu.Layer{
	relu.Linear{In: 2, Out: 3, Bias: true}, relu.BatchNorm{Features: 3, Dims: 1, Eps: 1e-5, Momentum: 0.1},
	relu.Linear{In: 3, Out: 2},
}

// smallTensors is a model of small as PyTorch's safetensors writes one: in the order of letters, with its counter.
func smallTensors() []safetensors.Tensor {
	return []safetensors.Tensor{
		{Name: "0.bias", Shape: []int{3}, Values: []float32{7, 8, 9}},
		{Name: "0.weight", Shape: []int{3, 2}, Values: []float32{1, 2, 3, 4, 5, 6}},
		{Name: "1.bias", Shape: []int{3}, Values: []float32{13, 14, 15}},
		{Name: "1.num_batches_tracked", Shape: nil, Values: []int64{77}},
		{Name: "1.running_mean", Shape: []int{3}, Values: []float32{16, 17, 18}},
		{Name: "1.running_var", Shape: []int{3}, Values: []float32{19, 20, 21}},
		{Name: "1.weight", Shape: []int{3}, Values: []float32{10, 11, 12}},
		{Name: "2.weight", Shape: []int{2, 3}, Values: []float32{22, 23, 24, 25, 26, 27}},
	}
}

func TestStartModelsAreReadAsPyTorchWritesThem(t *testing.T) {
	net := network(t, small, 2)
	path := write(t, smallTensors()...)
	want := make([]float32, 27)
	for i := range want {
		want[i] = float32(i + 1)
	}
	got := make([]float32, net.Parameters())
	if err := workload.ReadStart(path, net.Layout(), got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	m, err := workload.OpenStart(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Hash != tensor.HashBlock(want) || m.Values != 27 {
		t.Errorf("%d values with hash %v, want 27 with that of the block", m.Values, m.Hash)
	}
	if err := workload.FitStart(m.Tensors, net.Layout()); err != nil {
		t.Error(err)
	}
	slices.Reverse(m.Tensors)
	if err := workload.FitStart(m.Tensors, net.Layout()); !errors.Is(err, workload.ErrStart) {
		t.Errorf("another order: %v", err)
	}
}

func TestStartModelsThatDoNotFitAreRefused(t *testing.T) {
	net := network(t, small, 2)
	for name, c := range map[string]struct {
		change func(list []safetensors.Tensor) []safetensors.Tensor
		want   []string
	}{
		"missing": {func(l []safetensors.Tensor) []safetensors.Tensor { return l[1:] }, []string{`tensor "0.bias" of shape [3] is missing`}},
		"shape": {func(l []safetensors.Tensor) []safetensors.Tensor { l[1].Shape = []int{2, 3}; return l },
			[]string{`tensor "0.weight" has shape [2 3], expected [3 2]`}},
		"names": {func(l []safetensors.Tensor) []safetensors.Tensor { l[1].Name = "fc.weight"; return l },
			[]string{`tensor "0.weight" of shape [3 2] is missing`, `the network has no tensor "fc.weight" (shape [3 2])`}},
		"integers": {func(l []safetensors.Tensor) []safetensors.Tensor { l[0].Values = []int32{1, 2, 3}; return l },
			[]string{`tensor "0.bias" has dtype I32, expected floats`}},
		"not finite": {func(l []safetensors.Tensor) []safetensors.Tensor {
			l[0].Values = []float32{1, float32(math.NaN()), 3}
			return l
		}, []string{`tensor "0.bias" has the value NaN at index 1`}},
		"nothing": {func(l []safetensors.Tensor) []safetensors.Tensor { return l[3:4] }, []string{"no tensors"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := workload.ReadStart(write(t, c.change(smallTensors())...), net.Layout(), make([]float32, net.Parameters()))
			if !errors.Is(err, workload.ErrStart) {
				t.Fatalf("got %v, want ErrStart", err)
			}
			for _, want := range append(c.want, "model.init.file: ", "start.safetensors") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
	if _, err := workload.OpenStart("nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
