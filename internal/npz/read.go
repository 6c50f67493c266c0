package npz

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// bufferSize is the memory for conversion while an array is read; a multiple of every element's size.
const bufferSize = 1 << 16

// ReadUint8 reads an array of |u1 into dst, whose length must be Len.
func (a *Array) ReadUint8(dst []uint8) error {
	if a.DType != U1 {
		return a.wrap(ErrDType, "%s, want %s", a.DType, U1)
	}
	return a.each(len(dst), func(at int, b []byte) error {
		copy(dst[at:], b)
		return nil
	})
}

// ReadInt64 reads an array of <i4, <i8 or |u1 into dst, whose length must be Len.
func (a *Array) ReadInt64(dst []int64) error {
	decode := a.wholes()
	if decode == nil {
		return a.wrap(ErrDType, "%s, want %s, %s or %s", a.DType, I4, I8, U1)
	}
	size := a.DType.Size()
	return a.each(len(dst), func(at int, b []byte) error {
		for i := 0; i < len(b); i += size {
			dst[at+i/size] = decode(b[i:])
		}
		return nil
	})
}

// ReadFloat32 reads an array of any type into dst, whose length must be Len. Numbers of <f8 are rounded, and refused with
// ErrDType beyond the largest float32; whole numbers are refused if float32 does not hold them exactly. NaN and infinities
// are taken as they are.
func (a *Array) ReadFloat32(dst []float32) error {
	size := a.DType.Size()
	return a.each(len(dst), func(at int, b []byte) error {
		for i := 0; i < len(b); i += size {
			v, err := a.float32(b[i:], at+i/size)
			if err != nil {
				return err
			}
			dst[at+i/size] = v
		}
		return nil
	})
}

func (a *Array) float32(b []byte, at int) (float32, error) {
	switch a.DType {
	case F4:
		return math.Float32frombits(binary.LittleEndian.Uint32(b)), nil
	case F8:
		wide := math.Float64frombits(binary.LittleEndian.Uint64(b))
		v := float32(wide)
		if math.IsInf(float64(v), 0) && !math.IsInf(wide, 0) {
			return 0, a.wrap(ErrDType, "%v at element %d is beyond the largest float32, %v", wide, at, float32(math.MaxFloat32))
		}
		return v, nil
	}
	wide := a.wholes()(b)
	v := float32(wide)
	if wide > 1<<62 || int64(v) != wide {
		return 0, a.wrap(ErrDType, "%d at element %d has more digits than float32 holds", wide, at)
	}
	return v, nil
}

// wholes returns the decoder of a type of whole numbers, nil for others.
func (a *Array) wholes() func([]byte) int64 {
	switch a.DType {
	case I4:
		return func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }
	case I8:
		return func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
	case U1:
		return func(b []byte) int64 { return int64(b[0]) }
	}
	return nil
}

// each calls decode with whole elements, of which at is the first one's number, up to the array's end; reading on to the
// member's end is what checks its CRC.
func (a *Array) each(length int, decode func(at int, b []byte) error) error {
	if length != a.Len() {
		return a.wrap(ErrFormat, "shape %v, read into %d elements", a.Shape, length)
	}
	r, err := a.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, int64(a.header)); err != nil {
		return a.cut(err)
	}
	size := a.DType.Size()
	buffer := make([]byte, bufferSize)
	for at := 0; at < length; {
		b := buffer[:min(len(buffer), (length-at)*size)]
		if _, err := io.ReadFull(r, b); err != nil {
			return a.cut(err)
		}
		if err := decode(at, b); err != nil {
			return err
		}
		at += len(b) / size
	}
	if n, err := r.Read(buffer[:1]); n > 0 || !errors.Is(err, io.EOF) {
		if n > 0 {
			return a.wrap(ErrFormat, "more bytes than shape %v makes", a.Shape)
		}
		return a.wrap(ErrFormat, "after its elements: %w", err)
	}
	return nil
}

// cut says that the elements could not be read to their end.
func (a *Array) cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return a.wrap(ErrFormat, "truncated: %w", err)
}
