package tensor

import (
	"encoding/binary"
	"iter"
	"math"
	"unsafe"
)

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Chunks yields the block as little-endian bytes in pieces of at most size bytes (a multiple of 4, at least 4).
// On a little-endian machine a piece aliases the block and nothing is copied; on others it is valid until the next one.
// Either way it must not be modified.
func Chunks(block []float32, size int) iter.Seq[[]byte] {
	values := max(size/4, 1)
	return func(yield func([]byte) bool) {
		var scratch []byte
		for len(block) > 0 {
			part := block[:min(values, len(block))]
			block = block[len(part):]
			if !littleEndian {
				scratch = appendValues(scratch[:0], part)
			} else {
				scratch = unsafe.Slice((*byte)(unsafe.Pointer(&part[0])), 4*len(part))
			}
			if !yield(scratch) {
				return
			}
		}
	}
}

func appendValues(dst []byte, values []float32) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}
