package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Tensor is a tensor to be written. Values is a []float32, []uint8, []int32 or []int64 of as many elements as Shape says,
// row-major. It is only read.
type Tensor struct {
	Name   string
	Shape  []int
	Values any
}

// Write writes a file with the tensors one after the other in the order given, so that equal arguments give equal
// bytes. metadata may be nil. All arguments are checked before the first byte is written.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	infos := make([]Info, len(tensors))
	for i, t := range tensors {
		info, err := t.info()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		infos[i] = info
	}
	if err := WriteHeader(w, infos, metadata); err != nil {
		return err
	}
	buffer := make([]byte, 0, bufferSize)
	for _, t := range tensors {
		if err := writeValues(w, buffer, t.Values); err != nil {
			return fmt.Errorf("writing tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// WriteHeader writes all that Write writes before the values, which the caller lets follow: one tensor after the other,
// row-major and little-endian.
func WriteHeader(w io.Writer, tensors []Info, metadata map[string]string) error {
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	return nil
}

// entry is one tensor in the JSON header.
type entry struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// encodeHeader returns the length prefix and the JSON, padded with spaces so that the data begin at a multiple of 8.
// The JSON is assembled by hand because a Go map would lose the order of the tensors.
func encodeHeader(tensors []Info, metadata map[string]string) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 8))
	out.WriteByte('{')
	if metadata != nil {
		if err := writeMember(out, "__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{"__metadata__": true}
	at := int64(0)
	for _, t := range tensors {
		e, err := t.entry(at)
		if err == nil && (seen[t.Name] || !utf8.ValidString(t.Name)) {
			err = fmt.Errorf("%w: the name occurs twice, is __metadata__ or is not UTF-8", ErrFormat)
		}
		if err == nil {
			err = writeMember(out, t.Name, e)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		seen[t.Name] = true
		at = e.Offsets[1]
	}
	out.WriteByte('}')
	for out.Len()%8 != 0 {
		out.WriteByte(' ')
	}
	if out.Len()-8 > MaxHeader {
		return nil, fmt.Errorf("%w: header of %d bytes, at most %d are allowed", ErrFormat, out.Len()-8, MaxHeader)
	}
	header := out.Bytes()
	binary.LittleEndian.PutUint64(header, uint64(len(header)-8))
	return header, nil
}

// writeMember appends "key": value, after a comma unless it is the first member (which follows the 8 bytes and the brace).
func writeMember(out *bytes.Buffer, key string, value any) error {
	k, err := json.Marshal(key)
	if err != nil {
		return fmt.Errorf("encoding the key %q: %w", key, err)
	}
	v, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %q: %w", key, err)
	}
	if out.Len() > 9 {
		out.WriteByte(',')
	}
	out.Write(k)
	out.WriteByte(':')
	out.Write(v)
	return nil
}

// info checks that there are as many values as the shape says.
func (t Tensor) info() (Info, error) {
	dtype, n, err := valuesOf(t.Values)
	if err != nil {
		return Info{}, err
	}
	i := Info{Name: t.Name, DType: dtype, Shape: t.Shape}
	size, err := i.size()
	if err == nil && size != int64(n)*int64(dtype.Size()) {
		err = fmt.Errorf("%w: %d values for shape %v", ErrFormat, n, t.Shape)
	}
	return i, err
}

func (i Info) entry(at int64) (entry, error) {
	size, err := i.size()
	return entry{DType: i.DType, Shape: append([]int{}, i.Shape...), Offsets: [2]int64{at, at + size}}, err
}

// size returns the bytes that the tensor takes.
func (i Info) size() (int64, error) {
	if len(i.Shape) > MaxDims {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d are allowed", ErrFormat, len(i.Shape), MaxDims)
	}
	if i.DType.Size() == 0 {
		return 0, fmt.Errorf("%w: %q is unknown", ErrDType, i.DType)
	}
	size, err := byteLen(i.Shape, i.DType.Size())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return size, nil
}

func valuesOf(values any) (DType, int, error) {
	switch v := values.(type) {
	case []float32:
		return F32, len(v), nil
	case []uint8:
		return U8, len(v), nil
	case []int32:
		return I32, len(v), nil
	case []int64:
		return I64, len(v), nil
	}
	return "", 0, fmt.Errorf("%w: %T, want []float32, []uint8, []int32 or []int64", ErrDType, values)
}

func writeValues(w io.Writer, buffer []byte, values any) error {
	le := binary.LittleEndian
	switch v := values.(type) {
	case []float32:
		return writeEach(w, buffer, v, func(b []byte, x float32) []byte { return le.AppendUint32(b, math.Float32bits(x)) })
	case []int32:
		return writeEach(w, buffer, v, func(b []byte, x int32) []byte { return le.AppendUint32(b, uint32(x)) })
	case []int64:
		return writeEach(w, buffer, v, func(b []byte, x int64) []byte { return le.AppendUint64(b, uint64(x)) })
	}
	_, err := w.Write(values.([]uint8))
	return err
}

// writeEach encodes through the buffer, whose capacity is a multiple of every element size.
func writeEach[T any](w io.Writer, buffer []byte, values []T, put func([]byte, T) []byte) error {
	b := buffer[:0]
	for _, x := range values {
		b = put(b, x)
		if len(b) == cap(buffer) {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}
