package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// bufferSize is the memory for conversion while a tensor is read or written; a multiple of every element size.
const bufferSize = 1 << 16

// Tensors returns all tensors in the order of their place in the file. The slice belongs to the caller.
func (f *File) Tensors() []Info { return slices.Clone(f.infos) }

// Lookup returns the tensor called name.
func (f *File) Lookup(name string) (Info, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Info{}, false
	}
	return f.infos[i], true
}

// Metadata returns the header's __metadata__, nil if there is none. It must not be modified.
func (f *File) Metadata() map[string]string { return f.metadata }

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// ReadFloat32 reads the F32 tensor called name into dst, whose length must be the tensor's.
// The values may be anything, NaN and infinities included.
func (f *File) ReadFloat32(name string, dst []float32) error {
	t, err := f.find(name, len(dst), F32)
	if err != nil {
		return err
	}
	return f.each(t, func(at int, b []byte) {
		for i := 0; i < len(b); i += 4 {
			dst[at+i/4] = math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		}
	})
}

// ReadUint8 reads the U8 tensor called name into dst, whose length must be the tensor's.
func (f *File) ReadUint8(name string, dst []uint8) error {
	t, err := f.find(name, len(dst), U8)
	if err != nil {
		return err
	}
	if err := readFull(f.r, dst, f.data+t.begin); err != nil {
		return fmt.Errorf("%s: reading tensor %q: %w", f.name, name, err)
	}
	return nil
}

// ReadInt64 reads the I64, I32 or U8 tensor called name into dst, whose length must be the tensor's.
func (f *File) ReadInt64(name string, dst []int64) error {
	t, err := f.find(name, len(dst), I64, I32, U8)
	if err != nil {
		return err
	}
	size := t.DType.Size()
	return f.each(t, func(at int, b []byte) {
		for i := 0; i < len(b); i += size {
			dst[at+i/size] = decodeInt(b[i : i+size])
		}
	})
}

func decodeInt(b []byte) int64 {
	switch len(b) {
	case 8:
		return int64(binary.LittleEndian.Uint64(b))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(b[0])
}

// find returns the tensor called name if it has n elements of one of the types.
func (f *File) find(name string, n int, types ...DType) (Info, error) {
	t, ok := f.Lookup(name)
	if !ok {
		return t, fmt.Errorf("%s: %w: %q", f.name, ErrMissing, name)
	}
	if !slices.Contains(types, t.DType) {
		return t, fmt.Errorf("%s: tensor %q: %w %s, want one of %v", f.name, name, ErrDType, t.DType, types)
	}
	if t.Len() != n {
		return t, fmt.Errorf("%s: tensor %q: %w: %d elements of shape %v, want %d", f.name, name, ErrShape, t.Len(), t.Shape, n)
	}
	return t, nil
}

// each hands out the tensor's bytes piece by piece; at is the index of a piece's first element.
func (f *File) each(t Info, use func(at int, b []byte)) error {
	buffer := make([]byte, min(bufferSize, t.end-t.begin))
	for off := t.begin; off < t.end; off += int64(len(buffer)) {
		buffer = buffer[:min(int64(len(buffer)), t.end-off)]
		if err := readFull(f.r, buffer, f.data+off); err != nil {
			return fmt.Errorf("%s: reading tensor %q: %w", f.name, t.Name, err)
		}
		use(int((off-t.begin)/int64(t.DType.Size())), buffer)
	}
	return nil
}
