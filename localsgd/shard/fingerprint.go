package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrOtherData is wrapped when two processes hold different data.
var ErrOtherData = errors.New("other data than the run's")

// Fingerprint identifies the arrays of a Data by their type, shape and values as loaded; the kind of file does not matter.
// TrainY covers the groups and the lists of shards too, where there are any.
// A zero hash stands for an array that this process does not hold.
type Fingerprint struct{ TrainX, TrainY, TestX, TestY tensor.Hash }

// Fingerprint hashes every array that is there: about 50 MB for MNIST.
func (d Data) Fingerprint() Fingerprint {
	var f Fingerprint
	if d.Train != nil {
		f.TrainX, f.TrainY = d.Train.hashX(), d.Train.hashShards(d.Train.hashY())
	}
	if d.Test != nil {
		f.TestX, f.TestY = d.Test.hashX(), d.Test.hashY()
	}
	return f
}

// Check compares the arrays that both sides hold, and wraps ErrOtherData with the name of the first one that differs.
func (f Fingerprint) Check(other Fingerprint) error {
	for _, a := range []struct {
		name       string
		mine, your tensor.Hash
	}{
		{"training features", f.TrainX, other.TrainX}, {"training labels or groups", f.TrainY, other.TrainY},
		{"test features", f.TestX, other.TestX}, {"test labels", f.TestY, other.TestY},
	} {
		if !a.mine.IsZero() && !a.your.IsZero() && a.mine != a.your {
			return fmt.Errorf("%w: the %s differ: SHA-256 %s here, %s there", ErrOtherData, a.name, a.mine, a.your)
		}
	}
	return nil
}

func (s *Set) hashX() tensor.Hash {
	switch {
	case s.Bytes != nil:
		h := newHash("U8", s.N, s.Shape)
		h.Write(s.Bytes)
		return tensor.Hash(h.Sum(nil))
	case s.Values != nil:
		return hashFloats(newHash("F32", s.N, s.Shape), s.Values)
	}
	return tensor.Hash{}
}

func (s *Set) hashY() tensor.Hash {
	switch {
	case s.Labels != nil:
		h := newHash("labels", s.N, nil)
		hashInts(h, s.Labels)
		return tensor.Hash(h.Sum(nil))
	case s.Targets != nil:
		return hashFloats(newHash("targets", s.N, []int{s.Outputs}), s.Targets)
	}
	return tensor.Hash{}
}

// hashShards returns y itself if the set has neither groups nor lists, and otherwise a hash of all of them.
func (s *Set) hashShards(y tensor.Hash) tensor.Hash {
	if s.Groups == nil && s.Given == nil {
		return y
	}
	h := newHash("shards", s.N, []int{len(s.Groups), len(s.Given)})
	h.Write(y[:])
	hashInts(h, s.Groups)
	for _, list := range s.Given {
		hashInts(h, []int32{int32(len(list))})
		hashInts(h, list)
	}
	return tensor.Hash(h.Sum(nil))
}

func hashInts(h hash.Hash, values []int32) {
	var b [4096]byte
	for len(values) > 0 {
		n := min(len(values), len(b)/4)
		for i, v := range values[:n] {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
		}
		h.Write(b[:4*n])
		values = values[n:]
	}
}

// newHash starts with what the bytes that follow mean.
func newHash(kind string, n int, shape []int) hash.Hash {
	h := sha256.New()
	fmt.Fprintf(h, "fedrelu array 1 %s %d %v\n", kind, n, shape)
	return h
}

func hashFloats(h hash.Hash, values []float32) tensor.Hash {
	for c := range tensor.Chunks(values, 1<<16) {
		h.Write(c)
	}
	return tensor.Hash(h.Sum(nil))
}
