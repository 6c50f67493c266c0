package wire

import (
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// MaxTensors bounds how many tensors a model may list.
const MaxTensors = 1 << 17

// Start is the model that a run is submitted with.
type Start struct {
	Model   tensor.Hash   // of its values, little-endian float32
	Tensors []tensor.Desc // in whose order they come: that of torch's state_dict()
}

// Bytes returns how many bytes the values have.
func (s Start) Bytes() (n int64) {
	for _, t := range s.Tensors {
		size := int64(4)
		for _, d := range t.Shape {
			size *= int64(d)
		}
		n += size
	}
	return n
}

// EncodeStart returns the header of a submission of this spec, in its encoding, from a model.
func EncodeStart(spec []byte, s Start) *fedreluv1.SubmitHeader {
	return &fedreluv1.SubmitHeader{Spec: spec, ModelSha256: s.Model[:], Tensors: EncodeTensors(s.Tensors)}
}

// DecodeStart checks the model of a header.
func DecodeStart(h *fedreluv1.SubmitHeader) (s Start, err error) {
	if s.Model, err = decodeHash("model_sha256", h.GetModelSha256()); err != nil {
		return s, err
	}
	s.Tensors, err = DecodeTensors(h.GetTensors())
	return s, err
}

// EncodeTensors returns the generated form of a layout's tensors.
func EncodeTensors(tensors []tensor.Desc) []*fedreluv1.TensorDesc {
	var list []*fedreluv1.TensorDesc
	for _, d := range tensors {
		t := &fedreluv1.TensorDesc{Name: d.Name, Buffer: d.Buffer}
		for _, n := range d.Shape {
			t.Shape = append(t.Shape, uint64(n))
		}
		list = append(list, t)
	}
	return list
}

// DecodeTensors checks that the tensors make a layout.
func DecodeTensors(list []*fedreluv1.TensorDesc) (tensors []tensor.Desc, err error) {
	if len(list) == 0 || len(list) > MaxTensors {
		return nil, malformed("tensors", "%d, want 1 to %d", len(list), MaxTensors)
	}
	for _, t := range list {
		d := tensor.Desc{Name: t.GetName(), Buffer: t.GetBuffer()}
		for _, n := range t.GetShape() {
			d.Shape = append(d.Shape, int(min(n, tensor.MaxSize+1)))
		}
		tensors = append(tensors, d)
	}
	if _, err := tensor.NewLayout(tensors); err != nil {
		return nil, malformed("tensors", "%v", err)
	}
	return tensors, nil
}
