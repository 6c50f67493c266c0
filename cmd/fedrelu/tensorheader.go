package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// writeTensorHeader writes the header of a safetensors file whose data are the model's block: the tensors stand in the
// file in the order of the block, so that the block's bytes can follow as they come.
func writeTensorHeader(w io.Writer, h control.Header) error {
	layout, err := tensor.NewLayout(h.Tensors)
	if err != nil {
		return fmt.Errorf("writing the header of the model: %w", err)
	}
	out := bytes.NewBuffer(make([]byte, 8))
	// Nothing of the run itself: equal models of equal rounds are equal files.
	metadata := map[string]string{"format": "pt", "round": strconv.Itoa(h.Round), "model_sha256": h.Model.String()}
	fmt.Fprintf(out, `{"__metadata__":%s`, compact(metadata))
	for i := range layout.Len() {
		v := layout.At(i)
		fmt.Fprintf(out, `,%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`,
			compact(v.Name), compact(append([]int{}, v.Shape...)), 4*v.Offset, 4*(v.Offset+v.Size))
	}
	out.WriteByte('}')
	for out.Len()%8 != 0 {
		out.WriteByte(' ')
	}
	binary.LittleEndian.PutUint64(out.Bytes(), uint64(out.Len()-8))
	_, err = w.Write(out.Bytes())
	return err
}

// compact encodes text, lists and maps of text, which cannot fail.
func compact(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
