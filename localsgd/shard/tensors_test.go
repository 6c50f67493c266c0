package shard

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
)

func tensorFile(t testing.TB, name string, x, y safetensors.Tensor) File {
	t.Helper()
	x.Name, y.Name = "x", "y"
	var out bytes.Buffer
	if err := safetensors.Write(&out, []safetensors.Tensor{x, y}, nil); err != nil {
		t.Fatal(err)
	}
	return File{name, bytes.NewReader(out.Bytes()), int64(out.Len())}
}

func TestLoadSafetensors(t *testing.T) {
	x := safetensors.Tensor{Shape: []int{3, 1, 2}, Values: []float32{1, 2, 3, 4, 5, 6}}
	labels := []struct {
		name   string
		values any
	}{
		{"F32", []float32{2, 0, 1}}, {"I32", []int32{2, 0, 1}}, {"I64", []int64{2, 0, 1}}, {"U8", []uint8{2, 0, 1}},
	}
	var first Fingerprint
	for _, l := range labels {
		t.Run("labels "+l.name, func(t *testing.T) {
			f := tensorFile(t, "a", x, safetensors.Tensor{Shape: []int{3}, Values: l.values})
			d, err := LoadSafetensors(Files{Train: f, Test: f}, All)
			if err != nil {
				t.Fatal(err)
			}
			s := d.Train
			if s.N != 3 || !slices.Equal(s.Shape, []int{1, 2}) || !slices.Equal(s.Labels, []int32{2, 0, 1}) || s.Classes != 3 || s.Outputs != 3 {
				t.Errorf("%+v", s)
			}
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			if first == (Fingerprint{}) {
				first = d.Fingerprint()
			}
			if err := first.Check(d.Fingerprint()); err != nil {
				t.Errorf("the labels' type changed the fingerprint: %v", err)
			}
		})
	}
	t.Run("bytes and targets", func(t *testing.T) {
		f := tensorFile(t, "a", safetensors.Tensor{Shape: []int{2, 2}, Values: []uint8{0, 255, 51, 1}},
			safetensors.Tensor{Shape: []int{2, 3}, Values: []float32{1, 2, 3, 4, 5, 6}})
		d, err := LoadSafetensors(Files{Train: f}, Training)
		if err != nil {
			t.Fatal(err)
		}
		if d.Test != nil || d.Train.Classes != 0 || d.Train.Outputs != 3 || d.Train.Labels != nil || len(d.Train.Targets) != 6 {
			t.Errorf("%+v", d.Train)
		}
		got := make([]float32, 2)
		d.Train.Features(got, 1)
		if got[0] != float32(51)/255 || got[1] != float32(1)/255 {
			t.Errorf("features %v", got)
		}
	})
	t.Run("test labels take the training classes", func(t *testing.T) {
		train := tensorFile(t, "a", x, safetensors.Tensor{Shape: []int{3}, Values: []int32{2, 0, 1}})
		test := tensorFile(t, "b", x, safetensors.Tensor{Shape: []int{3}, Values: []int32{0, 3, 0}})
		d, err := LoadSafetensors(Files{Train: train, Test: test}, TrainY|Testing)
		if err != nil {
			t.Fatal(err)
		}
		if d.Train.HasFeatures() || d.Test.Classes != 3 {
			t.Errorf("train %+v, test %+v", d.Train, d.Test)
		}
		if err := d.Test.CheckOutputs(4); err != nil {
			t.Error(err)
		}
		if err := d.Test.CheckOutputs(3); !errors.Is(err, ErrData) || !strings.Contains(err.Error(), "label 3 of example 1") {
			t.Errorf("a test label beyond the outputs: %v", err)
		}
	})
}

func TestLoadSafetensorsRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := safetensors.Tensor{Shape: []int{2, 2}, Values: []float32{1, 2, 3, 4}}
	y := safetensors.Tensor{Shape: []int{2}, Values: []int32{0, 1}}
	with := func(shape []int, values any) safetensors.Tensor {
		return safetensors.Tensor{Shape: shape, Values: values}
	}
	cases := []struct {
		name string
		x, y safetensors.Tensor
		want error
		text string
	}{
		{"counts differ", x, with([]int{3}, []int32{0, 1, 0}), ErrData, "x has 2 examples, but y has 3"},
		{"no features", with([]int{2}, []float32{1, 2}), y, ErrData, "x has shape [2], want [N, ...]"},
		{"no examples", with([]int{0, 2}, []float32{}), with([]int{0}, []int32{}), ErrData, "x has shape [0 2]"},
		{"NaN feature", with([]int{2, 2}, []float32{1, 2, nan, 4}), y, ErrData, "x holds NaN at example 1"},
		{"integer features", with([]int{2, 2}, []int32{1, 2, 3, 4}), y, safetensors.ErrDType, `"x"`},
		{"fraction label", x, with([]int{2}, []float32{0, 0.5}), ErrData, "y holds 0.5 at example 1"},
		{"NaN label", x, with([]int{2}, []float32{0, nan}), ErrData, "y holds NaN at example 1"},
		{"infinite label", x, with([]int{2}, []float32{inf, 0}), ErrData, "y holds +Inf at example 0"},
		{"negative label", x, with([]int{2}, []int64{0, -1}), ErrData, "label -1 at example 1"},
		{"huge label", x, with([]int{2}, []int64{1 << 40, 1}), ErrData, "label 1099511627776 at example 0, want 0 to 1048575"},
		{"integer targets", x, with([]int{2, 1}, []int32{0, 1}), ErrData, "y is I32 of shape [2 1]"},
		{"targets in three dimensions", x, with([]int{2, 1, 1}, []float32{0, 1}), ErrData, "of shape [2 1 1]"},
		{"infinite target", x, with([]int{2, 1}, []float32{0, inf}), ErrData, "y holds +Inf at example 1"},
		{"scalar label", x, with([]int{}, []int32{0}), ErrData, "y has shape []"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadSafetensors(Files{Train: tensorFile(t, "a.safetensors", c.x, c.y)}, Training)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "training set: a.safetensors: ") {
				t.Errorf("error %v, want %v naming the file and %q", err, c.want, c.text)
			}
		})
	}
	sets := []struct {
		name string
		x, y safetensors.Tensor
	}{
		{"shapes differ", with([]int{1, 3}, []float32{1, 2, 3}), with([]int{1}, []int32{0})},
		{"kinds differ", with([]int{1, 2}, []float32{1, 2}), with([]int{1, 1}, []float32{0})},
	}
	for _, c := range sets {
		if _, err := LoadSafetensors(Files{Train: tensorFile(t, "a", x, y), Test: tensorFile(t, "b", c.x, c.y)}, All); !errors.Is(err, ErrData) {
			t.Errorf("%s between training and test set: %v", c.name, err)
		}
	}
	var other bytes.Buffer
	if err := safetensors.Write(&other, []safetensors.Tensor{{Name: "X", Shape: []int{1, 1}, Values: []float32{1}}}, nil); err != nil {
		t.Fatal(err)
	}
	f := File{"c", bytes.NewReader(other.Bytes()), int64(other.Len())}
	if _, err := LoadSafetensors(Files{Train: f, Test: f}, Testing); !errors.Is(err, safetensors.ErrMissing) || !strings.Contains(err.Error(), `["X"]`) {
		t.Errorf("a file without x and y: %v", err)
	}
}

// The reference cases hold their labels as F32 and their shards one after the other.
func TestReferenceData(t *testing.T) {
	b, err := os.ReadFile("testdata/reference_data.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if shared, err := os.ReadFile("../../../shared/reference/fed_fedavg/data.safetensors"); err == nil && !bytes.Equal(b, shared) {
		t.Error("testdata differs from the reference case")
	}
	f := File{"data", bytes.NewReader(b), int64(len(b))}
	d, err := LoadSafetensors(Files{Train: f, Test: f}, All)
	if err != nil {
		t.Fatal(err)
	}
	if d.Train.N != 30 || d.Train.Size() != 12 || d.Train.Classes != 4 {
		t.Errorf("%d examples of %v in %d classes, want 30 of [12] in 4", d.Train.N, d.Train.Shape, d.Train.Classes)
	}
	shards, err := Split(Contiguous{Sizes: []int{12, 8, 10}}, d.Train, 3, 0, 1)
	if err != nil || shards[1][0] != 12 || shards[2][0] != 20 || shards[2][9] != 29 {
		t.Errorf("shards %v, %v", shards, err)
	}
}
