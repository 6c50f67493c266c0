package localsgd

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// The byte forms of updates and sums. An update is the block as little-endian float32. A sum is, tensor after tensor, its
// integers in little-endian two's complement: 8 bytes an element of a tensor with two or more dimensions, 16 of another.

// payloadBuffer is how many bytes are converted at a time; a multiple of 16.
const payloadBuffer = 1 << 16

// UpdateBytes returns the size of an update's byte form.
func (g *Grid) UpdateBytes() int64 { return 4 * int64(g.layout.Size()) }

// SumBytes returns the size of a sum's byte form.
func (g *Grid) SumBytes() int64 { return 8 * int64(g.words()) }

// WriteTo writes the byte form of a sum of two or more updates.
func (s *Sum) WriteTo(w io.Writer) (int64, error) {
	if !s.summed {
		panic("localsgd: writing a sum of fewer than two updates")
	}
	buf := make([]byte, 0, payloadBuffer)
	var written int64
	for part := range slices.Chunk(s.words, payloadBuffer/8) {
		buf = buf[:0]
		for _, v := range part {
			buf = binary.LittleEndian.AppendUint64(buf, v)
		}
		n, err := w.Write(buf)
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("writing a sum: %w", err)
		}
	}
	return written, nil
}

// CheckUpdate reads an update's byte form and returns an error for values that the mean cannot take.
func (g *Grid) CheckUpdate(r io.Reader) error {
	return g.eachPart(r, 4, func(t *gridTensor, first int, raw []byte, values []float32) error {
		tensor.Decode(values, raw)
		return t.check(values, first)
	})
}

// AddFrom adds an update in its byte form, which CheckUpdate has passed.
func (s *Sum) AddFrom(task Share, r io.Reader) error {
	if err := s.Admits([]Share{task}); err != nil {
		return err
	}
	keep := len(s.shares) == 0
	if keep {
		size := s.grid.layout.Size()
		s.single = slices.Grow(s.single[:0], size)[:size]
	} else {
		s.widen()
	}
	err := s.grid.eachPart(r, 4, func(t *gridTensor, first int, raw []byte, values []float32) error {
		if keep {
			tensor.Decode(tensor.Of(s.single, t.View)[first:first+len(values)], raw)
			return nil
		}
		tensor.Decode(values, raw)
		t.addValues(s.words[t.word+t.wordsOf(first):], task.Weight, values)
		return nil
	})
	if err != nil {
		return err
	}
	s.note([]Share{task})
	return nil
}

// CheckSum reads a sum's byte form and returns an error for integers that no sum of updates with these shares can have:
// the total stays within what the words hold.
func (g *Grid) CheckSum(r io.Reader, shares []Share) error {
	var total Weight
	for _, n := range shares {
		total += n.Weight
	}
	words := make([]uint64, payloadBuffer/8)
	return g.eachPart(r, 0, func(t *gridTensor, first int, raw []byte, _ []float32) error {
		part := decodeWords(words, raw)
		bound := t.bound(total, len(shares))
		for j := 0; j < len(part); j += t.wordsOf(1) {
			if v := math.Abs(t.value(part[j:])); v > bound {
				return fmt.Errorf("%w: sum of %s[%d] is %g quanta, at most %g can be", ErrPayload, t.Name, first+j/t.wordsOf(1), v, bound)
			}
		}
		return nil
	})
}

// MergeFrom adds a sum in its byte form, which CheckSum has passed for the same shares.
func (s *Sum) MergeFrom(shares []Share, r io.Reader) error {
	if err := s.Admits(shares); err != nil {
		return err
	}
	s.widen()
	words := make([]uint64, payloadBuffer/8)
	err := s.grid.eachPart(r, 0, func(t *gridTensor, first int, raw []byte, _ []float32) error {
		part := decodeWords(words, raw)
		at := t.word + t.wordsOf(first)
		t.addWords(s.words[at:at+len(part)], part)
		return nil
	})
	if err != nil {
		return err
	}
	s.note(shares)
	return nil
}

// eachPart reads the byte form tensor by tensor in buffered parts: width bytes an element, or the tensor's words if 0.
// values is scratch of the part's number of elements.
func (g *Grid) eachPart(r io.Reader, width int, part func(t *gridTensor, first int, raw []byte, values []float32) error) error {
	raw := make([]byte, payloadBuffer)
	values := make([]float32, payloadBuffer/4)
	for i := range g.tensors {
		t := &g.tensors[i]
		each := width
		if each == 0 {
			each = 8 * t.wordsOf(1)
		}
		for first := 0; first < t.Size; first += payloadBuffer / each {
			n := min(payloadBuffer/each, t.Size-first)
			if _, err := io.ReadFull(r, raw[:n*each]); err != nil {
				return fmt.Errorf("reading %s at element %d: %w", t.Name, first, err)
			}
			if err := part(t, first, raw[:n*each], values[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// bound returns the largest magnitude, in quanta, of a sum of n updates within the tensor's range: each one's rounding
// adds at most a half. It leaves room in the words whatever limit is.
func (t *gridTensor) bound(total Weight, n int) float64 {
	largest := math.Ldexp(1, vectorRange+vectorBits)
	if !t.wide {
		largest = math.Ldexp(1, matrixRange+matrixBits)
	}
	return float64(min(math.Ldexp(float64(t.limit), -t.quantum), largest)*total.Float()) + float64(n)
}

func (t *gridTensor) wordsOf(elements int) int {
	if t.wide {
		return 2 * elements
	}
	return elements
}

// value returns the first integer of words, in quanta, to float64 precision.
func (t *gridTensor) value(words []uint64) float64 {
	if !t.wide {
		return float64(int64(words[0]))
	}
	hi, lo, negative := int128{words[0], int64(words[1])}.abs()
	v := math.Ldexp(float64(hi), 64) + float64(lo)
	if negative {
		return -v
	}
	return v
}

func decodeWords(dst []uint64, raw []byte) []uint64 {
	dst = dst[:len(raw)/8]
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return dst
}
