// Package safetensors reads and writes the safetensors format: an 8-byte little-endian header length, a JSON header
// that gives each tensor's dtype, shape and byte range, then the tensors' bytes.
//
// Rules: nothing in a file is believed. Open checks the whole header before a tensor is read: length bounds, JSON without
// a duplicate or unknown key, every byte range inside the file and equal to shape x dtype, and ranges that cover the data
// without gap or overlap (as the format demands). Nothing is allocated in a size that the file merely claims. Every error
// wraps one of the package's errors or what the reader or writer returned, and names the file and the tensor. Values are row-major
// and little-endian on every machine. Neither reading nor writing holds a second copy of a tensor.
//
// The format: https://github.com/huggingface/safetensors#format
package safetensors

import (
	"errors"
	"fmt"
	"math/bits"
)

// Limits of what Open accepts.
const (
	MaxHeader = 16 << 20 // bytes of JSON; about a hundred thousand tensors
	MaxDims   = 16       // dimensions of one tensor
)

var (
	// ErrFormat is wrapped by the errors of a file that breaks the format or a limit.
	ErrFormat = errors.New("invalid safetensors file")
	// ErrDType is wrapped when a tensor is read as, or made of, a type it does not have.
	ErrDType = errors.New("wrong dtype")
	// ErrShape is wrapped when a tensor is read into a slice of another length.
	ErrShape = errors.New("wrong shape")
	// ErrMissing is wrapped when a file has no tensor of the name asked for.
	ErrMissing = errors.New("no such tensor")
)

// DType is the type of a tensor's elements, as the format spells it. All types of whole bytes may occur in a file;
// F32, I32, I64 and U8 can be read and written.
type DType string

// The types that can be read and written.
const (
	F32 DType = "F32"
	I32 DType = "I32"
	I64 DType = "I64"
	U8  DType = "U8"
)

// Size returns the bytes of one element, 0 for a type that the format does not know.
func (d DType) Size() int {
	switch d {
	case "BOOL", U8, "I8", "F8_E4M3", "F8_E5M2":
		return 1
	case "I16", "U16", "F16", "BF16":
		return 2
	case I32, "U32", F32:
		return 4
	case I64, "U64", "F64":
		return 8
	}
	return 0
}

// Info describes one tensor of a file. Shape must not be modified.
type Info struct {
	Name  string
	DType DType
	Shape []int
	// begin and end are offsets into the data, which follows the header.
	begin, end int64
}

// Len returns the number of elements: 1 for a scalar, whose shape is empty.
func (i Info) Len() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// byteLen multiplies a shape out, refusing negative dimensions and products beyond 2^62.
func byteLen(shape []int, elem int) (int64, error) {
	n := uint64(elem)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > 1<<62 {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n = lo
	}
	return int64(n), nil
}
