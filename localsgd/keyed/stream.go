// Package keyed is the only source of randomness: streams of draws that are functions of what they are for.
//
// Rules: a stream is named by (seed, purpose, path), for example (seed, "shuffle", round, shard, pass), and two streams
// of different names are independent for every practical purpose. Nothing else enters: no clock, no global state, no
// order of calls between streams, no attempt numbers. A name must never be used for two different things. The bits are
// the same on every machine and are pinned by golden values; changing any of them raises the numerics version.
// A Stream belongs to one goroutine.
package keyed

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Stream is a sequence of draws. The zero Stream is not usable; New and Reset start one.
type Stream struct {
	key    [2]uint32
	high   [2]uint32 // upper half of the counter: with the key, 128 bits of the name's digest
	blocks uint64    // lower half of the counter: blocks drawn so far
	block  [4]uint32
	used   int // words of block already handed out

	spare    float64 // second value of the last Box-Muller pair
	hasSpare bool
}

// New returns the stream named (seed, purpose, path) at its start.
func New(seed uint64, purpose string, path ...uint64) *Stream {
	s := new(Stream)
	s.Reset(seed, purpose, path...)
	return s
}

// Reset makes s the stream named (seed, purpose, path) at its start, as New would, without allocating for short names.
//
// The name is hashed as little-endian 64-bit words: seed, len(purpose), the bytes of purpose, len(path), path. The first
// 8 bytes of the SHA-256 are the Philox key and the next 8 the upper half of its counter; the lower half counts blocks.
func (s *Stream) Reset(seed uint64, purpose string, path ...uint64) {
	var room [128]byte
	name := binary.LittleEndian.AppendUint64(room[:0], seed)
	name = binary.LittleEndian.AppendUint64(name, uint64(len(purpose)))
	name = append(name, purpose...)
	name = binary.LittleEndian.AppendUint64(name, uint64(len(path)))
	for _, p := range path {
		name = binary.LittleEndian.AppendUint64(name, p)
	}
	digest := sha256.Sum256(name)
	*s = Stream{used: 4}
	for i := range s.key {
		s.key[i] = binary.LittleEndian.Uint32(digest[4*i:])
		s.high[i] = binary.LittleEndian.Uint32(digest[8+4*i:])
	}
}

// Uint32 returns 32 uniform bits.
func (s *Stream) Uint32() uint32 {
	if s.used == len(s.block) {
		s.block = philox([4]uint32{uint32(s.blocks), uint32(s.blocks >> 32), s.high[0], s.high[1]}, s.key)
		s.blocks++
		s.used = 0
	}
	v := s.block[s.used]
	s.used++
	return v
}

// Uint64 returns 64 uniform bits: two draws of Uint32, the first one low.
func (s *Stream) Uint64() uint64 {
	low := uint64(s.Uint32())
	return low | uint64(s.Uint32())<<32
}

// Float64 returns a multiple of 2^-53, uniform in [0, 1).
func (s *Stream) Float64() float64 { return float64(float64(s.Uint64()>>11) * 0x1p-53) }

// Float32 returns a multiple of 2^-24, uniform in [0, 1).
func (s *Stream) Float32() float32 { return float32(float32(s.Uint32()>>8) * 0x1p-24) }

// Below returns an integer uniform in [0, n), without bias. It panics unless n > 0.
func (s *Stream) Below(n int) int {
	if n <= 0 {
		panic("keyed: Below needs a positive bound")
	}
	// Lemire 2019: the high word of a 64 x 64 product is uniform once the few low words below 2^64 mod n are rejected.
	bound := uint64(n)
	high, low := bits.Mul64(s.Uint64(), bound)
	if low < bound {
		for reject := -bound % bound; low < reject; {
			high, low = bits.Mul64(s.Uint64(), bound)
		}
	}
	return int(high)
}

// Perm returns a uniform permutation of 0..n-1.
func (s *Stream) Perm(n int) []int32 {
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(i)
	}
	s.Shuffle(p)
	return p
}

// Shuffle permutes x uniformly in place (Fisher-Yates from the end).
func (s *Stream) Shuffle(x []int32) {
	for i := len(x) - 1; i > 0; i-- {
		j := s.Below(i + 1)
		x[i], x[j] = x[j], x[i]
	}
}
