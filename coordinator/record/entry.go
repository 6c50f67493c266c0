package record

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Kind is what an entry's body holds.
type Kind int

// The kinds of entries and the types of their bodies.
const (
	KindRound    Kind = iota + 1 // Round
	KindMeasured                 // Measured
	KindDamaged                  // Damaged
	KindRepaired                 // Repaired
)

var kindNames = [...]string{KindRound: "round", KindMeasured: "measured", KindDamaged: "damaged", KindRepaired: "repaired"}

// String returns the kind as people read it.
func (k Kind) String() string {
	if k < KindRound || k > KindRepaired {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// MaxEntry bounds an encoded entry, in bytes: a round of 2^19 participants fits.
const MaxEntry = 16 << 20

// Entry is one link of a run's chain.
type Entry struct {
	Seq       uint64 // from 0, without gaps
	Kind      Kind
	Prev      tensor.Hash // Hash of the valid entry before it, Run.Genesis for the first
	Body      []byte      // see Round, Measured, Damaged, Repaired
	Committed *Commit     // how long the latest round's commit took, if no entry before this one says it
	Hash      tensor.Hash // what JSON calls record_sha256
}

// Body is what an entry may hold: *Round, *Measured, *Damaged, *Repaired.
type Body interface {
	Validate() error
	kind() Kind
	encode() ([]byte, error)
}

// Link makes the entry that follows prev in the chain of a run, with its Hash. It fails if the body is not valid.
func Link(run string, seq uint64, prev tensor.Hash, body Body, committed *Commit) (Entry, error) {
	if err := body.Validate(); err != nil {
		return Entry{}, err
	}
	encoded, err := body.encode()
	if err != nil {
		return Entry{}, fmt.Errorf("encoding a %v entry: %w", body.kind(), err)
	}
	e := Entry{Seq: seq, Kind: body.kind(), Prev: prev, Body: encoded, Committed: committed}
	if err := e.Validate(); err != nil {
		return Entry{}, err
	}
	e.Hash = e.hash(run)
	return e, nil
}

// Validate checks everything but body and Hash.
func (e *Entry) Validate() error {
	f := fields{of: "entry"}
	f.check(e.Kind >= KindRound && e.Kind <= KindRepaired, "kind", int(e.Kind), "round .. repaired")
	f.check(len(e.Body) <= MaxEntry-1024, "body", len(e.Body), "at most 16 MiB less 1 KiB")
	f.commit(e.Committed)
	return f.err
}

// ErrHash says that an entry is not what its hash covers, or belongs to another run.
var ErrHash = errors.New("entry does not have the hash that it names")

// CheckHash returns ErrHash unless Hash covers this entry of that run.
func (e *Entry) CheckHash(run string) error {
	if got := e.hash(run); got != e.Hash {
		return fmt.Errorf("%w: %v, computed %v", ErrHash, e.Hash, got)
	}
	return nil
}

func (e *Entry) hash(run string) tensor.Hash {
	h := sha256.New()
	h.Write([]byte("fedrelu entry 1\n"))
	number(h, uint64(len(run)))
	h.Write([]byte(run))
	number(h, e.Seq)
	number(h, uint64(e.Kind))
	h.Write(e.Prev[:])
	number(h, uint64(len(e.Body)))
	h.Write(e.Body)
	if e.Committed != nil {
		number(h, uint64(e.Committed.Round))
		number(h, math.Float64bits(e.Committed.Seconds))
	}
	return tensor.Hash(h.Sum(nil))
}

func number(h hash.Hash, n uint64) { h.Write(binary.BigEndian.AppendUint64(nil, n)) }
