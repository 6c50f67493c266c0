package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// floatTypes are the types that Floats reads.
var floatTypes = []DType{F32, "F16", "BF16", "F64"}

// IsFloat tells whether Floats reads the type.
func (d DType) IsFloat() bool { return slices.Contains(floatTypes, d) }

// Floats hands the values of the F32, F16, BF16 or F64 tensor called name to use, piece by piece in their order, and returns
// the first error of use. F64 is rounded, to infinity where float32 ends; the others are exact. A piece is valid during
// the call.
func (f *File) Floats(name string, use func(values []float32) error) error {
	t, ok := f.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: %w: %q", f.name, ErrMissing, name)
	}
	if !t.DType.IsFloat() {
		return fmt.Errorf("%s: tensor %q: %w %s, want one of %v", f.name, name, ErrDType, t.DType, floatTypes)
	}
	size := t.DType.Size()
	values := make([]float32, bufferSize/size)
	var failed error
	err := f.each(t, func(_ int, b []byte) {
		if failed != nil {
			return
		}
		piece := values[:len(b)/size]
		for i := range piece {
			piece[i] = decodeFloat(t.DType, b[i*size:])
		}
		failed = use(piece)
	})
	if failed != nil {
		return failed
	}
	return err
}

// decodeFloat reads one value of one of floatTypes.
func decodeFloat(d DType, b []byte) float32 {
	switch d {
	case "F64":
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case "F16":
		return halfToFloat(binary.LittleEndian.Uint16(b))
	case "BF16":
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

// halfToFloat returns the value of an IEEE 754 half: 1 bit of sign, 5 of exponent, 10 of mantissa.
func halfToFloat(h uint16) float32 {
	sign, exp, mantissa := uint32(h>>15)<<31, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | mantissa<<13)
	case 0: // 2^-24 times the mantissa, exact
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)*0x1p-24))
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | mantissa<<13)
}
