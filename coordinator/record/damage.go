package record

import (
	"time"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Damaged declares entries that were found damaged. They are no part of the chain any more; a round among them is done
// again under a new Seq. What verify finds damaged and declared is only reported, everything else is a failure.
type Damaged struct {
	Entries []DamagedEntry // ascending by Seq
	Time    time.Time
}

// DamagedEntry is one place in the chain where a valid entry should be.
type DamagedEntry struct {
	Seq    uint64
	Found  tensor.Hash // SHA-256 of the bytes found there; zero: there were none
	Detail string
}

// Repaired says that the model of a round, which was found damaged, was computed again with the recorded hash and stored.
type Repaired struct {
	Round  int
	Model  tensor.Hash
	Detail string
	Time   time.Time
}

// Validate returns an error that wraps ErrInvalid and names the first field that breaks a rule.
func (d *Damaged) Validate() error {
	f := fields{of: "damaged"}
	f.check(len(d.Entries) > 0, "entries", 0, "at least one")
	for i, e := range d.Entries {
		f.check(i == 0 || e.Seq > d.Entries[i-1].Seq, "entries.seq", e.Seq, "ascending")
	}
	return f.err
}

// Validate returns an error that wraps ErrInvalid and names the first field that breaks a rule.
func (r *Repaired) Validate() error {
	f := fields{of: "repaired"}
	f.small("round", r.Round)
	f.check(!r.Model.IsZero(), "model", "no hash", "a SHA-256")
	return f.err
}
