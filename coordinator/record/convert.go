package record

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// marshal encodes deterministically, so that equal values have equal bytes within one build.
func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// unmarshal decodes at most limit bytes. Unknown fields are let pass: a later version that adds what older ones may
// ignore need not raise the store's format.
func unmarshal(b []byte, limit int, m proto.Message) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d bytes, allowed: at most %d", ErrInvalid, len(b), limit)
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// text makes s fit to be stored (see the package's rules).
func text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxText {
		return s
	}
	cut := MaxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// reader turns decoded fields into domain values and keeps the first error.
type reader struct{ fields }

func (r *reader) hash(field string, b []byte) tensor.Hash {
	if len(b) == 0 {
		return tensor.Hash{}
	}
	h, err := tensor.HashFromBytes(b)
	r.check(err == nil, field, fmt.Sprintf("%d bytes", len(b)), "32 bytes or none")
	return h
}

func (r *reader) sizes(field string, values []uint64) []int {
	out := make([]int, len(values))
	for i, v := range values {
		r.check(v <= math.MaxInt64/2, field, v, "below 2^62")
		out[i] = int(v)
	}
	return orNil(out)
}

func hashBytes(h tensor.Hash) []byte {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// numbers converts between slices of integers; the values were checked to fit.
func numbers[To, From ~int | ~uint32 | ~uint64](values []From) []To {
	out := make([]To, len(values))
	for i, v := range values {
		out[i] = To(v)
	}
	return orNil(out)
}

// each converts every element; nothing gives nil, as it does when decoding.
func each[To, From any](values []From, convert func(From) To) []To {
	out := make([]To, len(values))
	for i, v := range values {
		out[i] = convert(v)
	}
	return orNil(out)
}

func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}
