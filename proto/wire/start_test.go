package wire

import (
	"errors"
	"reflect"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

func TestStartsSurviveTheWire(t *testing.T) {
	want := Start{Model: hash, Tensors: []tensor.Desc{{Name: "0.weight", Shape: []int{3, 2}}, {Name: "1.running_mean", Shape: []int{5}, Buffer: true}}}
	header := overWire(t, EncodeStart([]byte("spec"), want), &fedreluv1.SubmitHeader{})
	got, err := DecodeStart(header)
	if err != nil || !reflect.DeepEqual(got, want) || string(header.GetSpec()) != "spec" {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if got.Bytes() != 44 {
		t.Errorf("%d bytes, want 44", got.Bytes())
	}
}

func TestBadStartsAreRefused(t *testing.T) {
	good := func() *fedreluv1.SubmitHeader {
		return EncodeStart(nil, Start{Model: hash, Tensors: []tensor.Desc{{Name: "0.weight", Shape: []int{3, 2}}}})
	}
	for name, spoil := range map[string]func(*fedreluv1.SubmitHeader){
		"hash":       func(h *fedreluv1.SubmitHeader) { h.ModelSha256 = h.ModelSha256[1:] },
		"no tensors": func(h *fedreluv1.SubmitHeader) { h.Tensors = nil },
		"many":       func(h *fedreluv1.SubmitHeader) { h.Tensors = make([]*fedreluv1.TensorDesc, MaxTensors+1) },
		"nameless":   func(h *fedreluv1.SubmitHeader) { h.Tensors[0].Name = "" },
		"nil tensor": func(h *fedreluv1.SubmitHeader) { h.Tensors[0] = nil },
		"zero":       func(h *fedreluv1.SubmitHeader) { h.Tensors[0].Shape[0] = 0 },
		"huge":       func(h *fedreluv1.SubmitHeader) { h.Tensors[0].Shape[0] = 1 << 63 },
		"product":    func(h *fedreluv1.SubmitHeader) { h.Tensors[0].Shape = []uint64{1 << 20, 1 << 20} },
		"twice":      func(h *fedreluv1.SubmitHeader) { h.Tensors = append(h.Tensors, h.Tensors[0]) },
	} {
		h := good()
		spoil(h)
		if _, err := DecodeStart(h); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v, want ErrMessage", name, err)
		}
	}
	if _, err := DecodeStart(nil); !errors.Is(err, ErrMessage) {
		t.Errorf("no header: %v", err)
	}
}
