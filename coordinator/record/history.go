package record

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// RoundHistory is all that a run's chain says of one round.
type RoundHistory struct {
	Round
	Seq      uint64      // of its entry
	Entry    tensor.Hash // Hash of its entry: record_sha256
	Measured *Measured   // nil: not yet, or not asked for
	Commit   *float64    // seconds that its commit took; nil: not known (see Commit)
}

// Total is the wall time of the round in seconds: Seconds.Sum and the commit, as far as that is known.
func (r *RoundHistory) Total() float64 {
	if r.Commit == nil {
		return r.Seconds.Sum()
	}
	return r.Seconds.Sum() + *r.Commit
}

// History puts together what the entries of a chain say round by round. Entries are added in the order of the chain;
// they need not start at its beginning. The zero value is ready to use.
type History struct {
	rounds map[int]*RoundHistory
	next   uint64
}

// Add takes the next entry. It fails with ErrInvalid if the body cannot be read or a later entry was added before.
func (h *History) Add(e Entry) error {
	if e.Seq < h.next {
		return fmt.Errorf("%w: entry %d comes after entry %d", ErrInvalid, e.Seq, h.next-1)
	}
	h.next = e.Seq + 1
	h.commit(e.Committed)
	switch e.Kind {
	case KindRound:
		round, err := e.Round()
		if err != nil {
			return err
		}
		h.at(round.Number).Round, h.at(round.Number).Seq, h.at(round.Number).Entry = round, e.Seq, e.Hash
	case KindMeasured:
		measured, err := e.Measured()
		if err != nil {
			return err
		}
		h.at(measured.Round).Measured = &measured
	}
	return nil
}

// Finish adds what only the run's record says: how long the commit of the last round took.
func (h *History) Finish(r *Run) { h.commit(r.Committed) }

func (h *History) commit(c *Commit) {
	if c != nil {
		h.at(c.Round).Commit = &c.Seconds
	}
}

func (h *History) at(round int) *RoundHistory {
	if h.rounds == nil {
		h.rounds = make(map[int]*RoundHistory)
	}
	if h.rounds[round] == nil {
		h.rounds[round] = &RoundHistory{}
	}
	return h.rounds[round]
}

// Rounds returns the rounds whose entries were added, by number; round 0 is the start model.
func (h *History) Rounds() []*RoundHistory {
	var rounds []*RoundHistory
	for _, number := range slices.Sorted(maps.Keys(h.rounds)) {
		if r := h.rounds[number]; !r.Entry.IsZero() {
			rounds = append(rounds, r)
		}
	}
	return rounds
}
