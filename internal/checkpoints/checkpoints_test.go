package checkpoints

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/internal/safetensors"
)

// write writes a checkpoint with these tensors.
func write(t *testing.T, name string, tensors ...safetensors.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(safetensors.Write(f, tensors, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func matrix(name string, rows, cols int, values ...float32) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: []int{rows, cols}, Values: values}
}

func vector(name string, values ...float32) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: []int{len(values)}, Values: values}
}

// layers are a network 2-2-1 under names of somebody else's: singular values 4 and 3, then 2.
func layers(second float32) []safetensors.Tensor {
	return []safetensors.Tensor{matrix("fc1.weight", 2, 2, 4, 0, 0, -3), vector("fc1.bias", 1, 2), matrix("fc2.weight", 1, 2, 0, second)}
}

func report(t *testing.T, paths ...string) *Report {
	t.Helper()
	models, err := Open(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Measure(t.Context(), models, nil, Options{Ranks: analysis.RankOptions{Epsilon: 1e-3}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// numbers returns the long table by model, layer and quantity.
func numbers(r *Report) map[string]float64 {
	out := map[string]float64{}
	for _, row := range r.Rows {
		v := math.NaN()
		if row.Value != nil {
			v = *row.Value
		}
		key := fmt.Sprint(row.Model, " ", row.Layer, " ", row.Quantity)
		if row.Other != "" {
			key = fmt.Sprint(row.Model, "-", row.Other, " ", row.Layer, " ", row.Quantity)
		}
		out[key] = v
	}
	return out
}

// TestOneModel by hand: singular values 4, 3 and 2; ||W||^2 = 16+9+1+4+4; paths 4|0| + 3*2.
func TestOneModel(t *testing.T) {
	got := numbers(report(t, write(t, "a.safetensors", layers(2)...)))
	for key, want := range map[string]float64{
		"a.safetensors fc1.weight rank": 2, "a.safetensors fc1.weight spectral": 4, "a.safetensors fc1.weight frobenius": 5,
		"a.safetensors fc1.weight stable_rank": 25. / 16, "a.safetensors fc1.weight energy.1": 16. / 25, "a.safetensors fc2.weight rank.0.05": 1,
		"a.safetensors  norm": math.Sqrt(34), "a.safetensors  path_norm": 6,
	} {
		if v, ok := got[key]; !ok || math.Abs(v-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
}

// TestTwoModels by hand: they differ by 4 in one number, so the mean is 2 from each.
func TestTwoModels(t *testing.T) {
	dir := func(v float32) string { return write(t, "m.safetensors", layers(v)...) }
	r := report(t, dir(2), dir(-2))
	if len(r.Pairs) != 1 || r.Average == nil || len(r.Curve) != 2 || r.Models[0].Name == r.Models[1].Name {
		t.Fatalf("%d pairs, %d of the curve, names %s and %s", len(r.Pairs), len(r.Curve), r.Models[0].Name, r.Models[1].Name)
	}
	for key, want := range map[string]float64{"distance": 4, "params_cosine": 26. / 34, "distance_rel": 4 / math.Sqrt(34), "round_rel": 4 / math.Sqrt(34), "dist": 1} {
		key = r.Pairs[0].A + "-" + r.Pairs[0].B + "  " + key
		if got := numbers(r)[key]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := numbers(r); math.Abs(got["average  divergence"]-4) > 1e-9 || got["average fc2.weight rank"] != 0 || got["average  path_norm"] != 0 {
		t.Errorf("V %v, rank %v and path norm %v of what averages to zero", got["average  divergence"], got["average fc2.weight rank"], got["average  path_norm"])
	}
	if len(r.Notes) != 2 || !strings.Contains(r.Notes[0], "--data") {
		t.Errorf("notes %q", r.Notes)
	}
}

func TestConvolutionsAndStatistics(t *testing.T) {
	conv := safetensors.Tensor{Name: "0.weight", Shape: []int{2, 1, 1, 2}, Values: []float32{1, 0, 0, 2}}
	r := report(t, write(t, "a.safetensors", conv, vector("1.running_mean", 100, 100), vector("1.running_var", 1, 1)))
	got := numbers(r)
	if got["a.safetensors 0.weight rank"] != 2 || got["a.safetensors  norm"] != math.Sqrt(5) {
		t.Errorf("rank %v, norm %v, want 2 and sqrt 5 without the running statistics", got["a.safetensors 0.weight rank"], got["a.safetensors  norm"])
	}
	if _, has := got["a.safetensors  path_norm"]; has || !strings.Contains(r.Notes[0], "0.weight [2 1 1 2] is not a linear layer") {
		t.Errorf("a path norm of an unknown network; notes %q", r.Notes)
	}
}

func TestBadFiles(t *testing.T) {
	good := write(t, "good.safetensors", layers(1)...)
	text := filepath.Join(t.TempDir(), "bad.safetensors")
	if err := os.WriteFile(text, []byte("this is no safetensors file at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, paths := range map[string][]string{
		"no such file":           {filepath.Join(t.TempDir(), "none")},
		"bad.safetensors":        {text},
		"nan.safetensors: start": {write(t, "nan.safetensors", vector("x", float32(math.NaN())))},
		"other tensors: 1, and ": {good, write(t, "b.safetensors", vector("x", 1))},
		"fc2.weight [2 1] where": {good, write(t, "b.safetensors", layers(1)[0], layers(1)[1], matrix("fc2.weight", 2, 1, 0, 1))},
	} {
		if _, err := Open(paths, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", paths, err, want)
		}
	}
}

func TestDerivedNetworkNamesWhatIsWrong(t *testing.T) {
	models, err := Open([]string{write(t, "a.safetensors", layers(1)...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckDerived(models[0].Layout, 784, 10); err == nil || !strings.Contains(err.Error(), "784 inputs and 10 outputs, the model has 2 and 1") {
		t.Errorf("%v, want both sizes", err)
	}
}

// TestShapesThatAreNoNetwork: whatever tensors a file has, it is measured as far as they go.
func TestShapesThatAreNoNetwork(t *testing.T) {
	scalar := func(name string) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Shape: []int{}, Values: []float32{1}}
	}
	for name, tensors := range map[string][]safetensors.Tensor{
		"scalars":             {scalar("x"), scalar("y")},
		"a body and a scalar": {matrix("0.body.0.weight", 1, 1, 1), scalar("0.shortcut.0.weight")},
		"a bias alone":        {vector("0.bias", 1, 2)},
		"a residual layer":    {matrix("0.body.0.weight", 1, 1, 1), matrix("0.shortcut.0.weight", 1, 1, 1)},
	} {
		r := report(t, write(t, "a.safetensors", tensors...))
		if r.Value(Place{Model: "a.safetensors"}, "norm") == nil || r.Value(Place{Model: "a.safetensors"}, "path_norm") != nil {
			t.Errorf("%s: rows %v", name, r.Rows)
		}
		models, err := Open([]string{write(t, "b.safetensors", tensors...)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DeriveSpec(models[0].Layout, "{mnist: {}}", nil); err == nil {
			t.Errorf("%s: a network was derived", name)
		}
	}
}
