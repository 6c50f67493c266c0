// Package wire holds the messages between workers and the coordinator as plain values, and turns them into the generated
// types of the schema and back.
//
// Rules: nothing that comes from the network is believed. Decoding checks presence, sizes, ranges and hashes, and returns
// an error that wraps ErrMessage and names the field; it never panics. Generated types do not leave this package but to
// the rpc code at both ends.
package wire

import (
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Protocol is the version of the messages and of what they mean. Both ends must have the same.
const Protocol = 3

// Limits of what one message may hold, far above what this version sends.
const (
	MaxShards  = 1 << 22
	MaxRound   = 1 << 31
	MaxKept    = 1 << 10 // runs in Hello
	maxName    = 128
	maxReason  = 1 << 14
	maxRunID   = 128
	maxSpec    = 1 << 20
	maxSlots   = 1 << 12
	maxHolding = 1 << 10
	maxStates  = 2 * MaxShards // in RunReady: two versions of each shard
)

// ErrMessage is wrapped by every error about a malformed message.
var ErrMessage = errors.New("malformed message")

func malformed(field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrMessage, field, fmt.Sprintf(format, args...))
}

// Key names a round of a run.
type Key struct {
	Run   string
	Round int
}

func (k Key) String() string { return fmt.Sprintf("run %s round %d", k.Run, k.Round) }

func decodeRun(id string) (string, error) {
	if id == "" || len(id) > maxRunID {
		return "", malformed("run", "%d bytes, want 1 to %d", len(id), maxRunID)
	}
	return id, nil
}

func decodeKey(run string, round uint32) (Key, error) {
	id, err := decodeRun(run)
	if err == nil && round >= MaxRound {
		err = malformed("round", "%d, want less than %d", round, MaxRound)
	}
	return Key{id, int(round)}, err
}

func decodeHash(field string, b []byte) (tensor.Hash, error) {
	h, err := tensor.HashFromBytes(b)
	if err != nil {
		return h, malformed(field, "%v", err)
	}
	return h, nil
}

// decodeOptionalHash is decodeHash for a field that may be empty, which gives the zero hash.
func decodeOptionalHash(field string, b []byte) (tensor.Hash, error) {
	if len(b) == 0 {
		return tensor.Hash{}, nil
	}
	return decodeHash(field, b)
}

func encodeOptionalHash(h tensor.Hash) []byte {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

func decodeReason(s string) string {
	if len(s) > maxReason {
		return s[:maxReason]
	}
	return s
}

func encodeShards(shards []int) []uint32 {
	out := make([]uint32, len(shards))
	for i, s := range shards {
		out[i] = uint32(s)
	}
	return out
}

// decodeShards wants at least one shard, ascending without repetition.
func decodeShards(field string, shards []uint32) ([]int, error) {
	if len(shards) == 0 || len(shards) > MaxShards {
		return nil, malformed(field, "%d shards, want 1 to %d", len(shards), MaxShards)
	}
	out := make([]int, len(shards))
	for i, s := range shards {
		if s >= MaxShards || i > 0 && s <= shards[i-1] {
			return nil, malformed(field, "shard %d at place %d, want ascending shards below %d", s, i, MaxShards)
		}
		out[i] = int(s)
	}
	return out, nil
}

func encodeFingerprint(f shard.Fingerprint) *fedreluv1.DataFingerprint {
	return &fedreluv1.DataFingerprint{
		TrainX: encodeHash(f.TrainX), TrainY: encodeHash(f.TrainY),
		TestX: encodeHash(f.TestX), TestY: encodeHash(f.TestY),
	}
}

func encodeHash(h tensor.Hash) []byte {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

func decodeFingerprint(f *fedreluv1.DataFingerprint) (out shard.Fingerprint, err error) {
	for _, part := range []struct {
		name string
		dst  *tensor.Hash
		src  []byte
	}{
		{"data.train_x", &out.TrainX, f.GetTrainX()},
		{"data.train_y", &out.TrainY, f.GetTrainY()},
		{"data.test_x", &out.TestX, f.GetTestX()},
		{"data.test_y", &out.TestY, f.GetTestY()},
	} {
		if len(part.src) == 0 {
			continue
		}
		if *part.dst, err = decodeHash(part.name, part.src); err != nil {
			return out, err
		}
	}
	return out, nil
}
