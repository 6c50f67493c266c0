package analysis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// numpySpectrum is what testdata/spectra.py says about one weight.
type numpySpectrum struct {
	Values      []float64
	Ranks       [3]int
	Stable      float64
	Effective   float64
	RoyVetterli float64 `json:"roy_vetterli"`
}

// testdata/exported.safetensors is what `fedrelu run exported.yaml` and `fedrelu export` made, exported.json what numpy 1.24 says about
// it by spectra.py. Where there is a numpy it is asked again, also about matrices of its own.
func TestRanksAreThoseOfNumpy(t *testing.T) {
	exported := filepath.Join("testdata", "exported.safetensors")
	golden, err := os.ReadFile(filepath.Join("testdata", "exported.json"))
	if err != nil {
		t.Fatal(err)
	}
	compareWithNumpy(t, exported, golden)
	python := numpy()
	if python == "" {
		t.Skip("there is no numpy: compared with what it said before")
	}
	compareWithNumpy(t, exported, ask(t, python, exported))
	random := writeRandom(t)
	compareWithNumpy(t, random, ask(t, python, random))
}

// numpy returns a Python that has numpy, empty if there is none.
func numpy() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() == nil {
			return python
		}
	}
	return ""
}

func ask(t *testing.T, python, file string) []byte {
	t.Helper()
	var problems bytes.Buffer
	cmd := exec.Command(python, filepath.Join("testdata", "spectra.py"), file)
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &problems)
	}
	return out
}

// writeRandom writes weights of many shapes: Gaussian, of falling spectra, of low rank, and wide ones.
func writeRandom(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "random.safetensors")
	var all []safetensors.Tensor
	for i, shape := range [][]int{{7, 7}, {30, 20}, {20, 30}, {5, 900}, {700, 6}, {8, 3, 3, 3}, {1, 4}} {
		cols := 1
		for _, side := range shape[1:] {
			cols *= side
		}
		values := make([]float32, shape[0]*cols)
		for j, v := range gaussian(uint64(i), shape[0], cols) {
			values[j] = float32(v)
		}
		all = append(all, safetensors.Tensor{Name: fmt.Sprintf("gaussian.%d", i), Shape: shape, Values: values})
		falling := make([]float64, min(shape[0], cols))
		for j := range falling {
			falling[j] = math.Exp(-float64(j) * keyed.New(7, "falling", uint64(i)).Float64())
		}
		all = append(all, safetensors.Tensor{Name: fmt.Sprintf("falling.%d", i), Shape: shape, Values: withSpectrum(uint64(i), shape[0], cols, falling)})
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(f, all, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// readModel reads a file's tensors as a block with its layout.
func readModel(t *testing.T, path string) (*tensor.Layout, []float32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(bytes.NewReader(data), int64(len(data)), path)
	if err != nil {
		t.Fatal(err)
	}
	var descs []tensor.Desc
	for _, info := range file.Tensors() {
		descs = append(descs, tensor.Desc{Name: info.Name, Shape: info.Shape})
	}
	layout, err := tensor.NewLayout(descs)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]float32, layout.Size())
	for i := range layout.Len() {
		v := layout.At(i)
		if err := file.ReadFloat32(v.Name, tensor.Of(block, v)); err != nil {
			t.Fatal(err)
		}
	}
	return layout, block
}

// compareWithNumpy measures a file: singular values agree to 1e-5 of the largest, and ranks exactly, unless a value lies within 1e-6
// of the threshold.
func compareWithNumpy(t *testing.T, path string, said []byte) {
	t.Helper()
	var theirs map[string]numpySpectrum
	if err := json.Unmarshal(said, &theirs); err != nil {
		t.Fatal(err)
	}
	layout, block := readModel(t, path)
	var w Workspace
	layers, err := w.Layers(context.Background(), layout, block, RankOptions{Epsilon: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) == 0 || len(layers) != len(theirs) {
		t.Fatalf("%s: %d weights, numpy has %d", path, len(layers), len(theirs))
	}
	for _, l := range layers {
		want, ok := theirs[l.Name]
		if !ok || l.Spectrum == nil {
			t.Fatalf("%s: %s is not measured on both sides", path, l.Name)
		}
		v, _ := layout.Lookup(l.Name)
		rows, cols, _ := v.Matrix()
		if d := maxDifference(values(t, &w, tensor.Of(block, v), rows, cols), want.Values); d > 1e-5*want.Values[0] {
			t.Errorf("%s: singular values are off by %g of %g", l.Name, d, want.Values[0])
		}
		near(t, l.Name+": stable rank", l.Spectrum.StableRank, want.Stable, 1e-6)
		near(t, l.Name+": effective rank", l.Spectrum.EffectiveRank, want.Effective, 1e-6)
		near(t, l.Name+": Roy and Vetterli's rank", l.Spectrum.RoyVetterli, want.RoyVetterli, 1e-6)
		for i, eps := range Epsilons() {
			if l.Spectrum.Ranks[i] != want.Ranks[i] && !nearThreshold(want.Values, eps) {
				t.Errorf("%s: eps-rank at %g is %d, numpy has %d", l.Name, eps, l.Spectrum.Ranks[i], want.Ranks[i])
			}
		}
	}
}

// nearThreshold tells whether a singular value of the normalised matrix lies within 1e-6 of eps.
func nearThreshold(s []float64, eps float64) bool {
	for _, v := range s {
		if math.Abs(v/Frobenius(s)-eps) < 1e-6 {
			return true
		}
	}
	return false
}
