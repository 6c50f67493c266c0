package view

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Story is what is known of a run while its events come in. The zero value is ready. Its fields are for reading.
type Story struct {
	Run      record.Run
	Goal     int                    // rounds that the spec asks for; 0 until the run is known
	Last     *record.Round          // the newest committed round; nil: none, not even the start model
	Measured *record.Measured       // the newest measurements
	Drift    *record.Drift          // the newest, maybe of an earlier round than these
	Layers   []record.Layer         // the newest whose ranks were measured, likewise
	Rank     *float64               // the newest effective rank, mean over the weights but the last; nil: none was measured
	Progress *control.Progress      // what goes on since the last entry; nil: nothing was said
	Up, Down int64                  // bytes of all rounds
	Next     uint64                 // number of the next entry
	waiting  []*record.RoundHistory // rounds whose measurements are still due, oldest first
	pace     pace
	mayStop  bool      // before Goal
	bounded  time.Time // since when a wait that ends at a certain time has been shown
}

// maxWaiting bounds the rounds that are held back for their measurements. A coordinator lets one wait.
const maxWaiting = 4

// Add takes the next event of the run. It returns the rounds about which everything is known now and that were not
// returned before, in order.
func (s *Story) Add(e control.Event) ([]*record.RoundHistory, error) {
	switch {
	case e.Run != nil:
		return nil, s.addRun(*e.Run)
	case e.Progress != nil:
		if s.Progress = e.Progress; e.Progress.Until.IsZero() {
			s.bounded = time.Time{}
		}
	case e.Entry != nil:
		return s.addEntry(*e.Entry)
	}
	return nil, nil
}

func (s *Story) addRun(r record.Run) error {
	if s.Goal == 0 {
		sp, err := spec.FromProto(r.Spec)
		if err != nil {
			return fmt.Errorf("reading the spec of run %s: %w", r.ID, err)
		}
		s.Goal, s.mayStop = sp.Rounds, sp.StopAccuracy > 0
	}
	s.Run = r
	return nil
}

func (s *Story) addEntry(e record.Entry) ([]*record.RoundHistory, error) {
	if e.Seq < s.Next {
		return nil, nil
	}
	s.Next = e.Seq + 1
	switch e.Kind {
	case record.KindRound:
		round, err := e.Round()
		if err != nil {
			return nil, fmt.Errorf("reading entry %d: %w", e.Seq, err)
		}
		return s.addRound(&record.RoundHistory{Round: round, Seq: e.Seq, Entry: e.Hash}), nil
	case record.KindMeasured:
		measured, err := e.Measured()
		if err != nil {
			return nil, fmt.Errorf("reading entry %d: %w", e.Seq, err)
		}
		s.Measured = &measured
		s.Rank = cmp.Or(effectiveRank(&measured), s.Rank)
		s.Drift = cmp.Or(measured.Drift, s.Drift)
		if len(measured.Layers) > 0 {
			s.Layers = measured.Layers
		}
		for _, r := range s.waiting {
			if r.Number == measured.Round {
				r.Measured = &measured
			}
		}
	}
	return s.complete(), nil
}

func (s *Story) addRound(r *record.RoundHistory) []*record.RoundHistory {
	s.Last, s.Progress, s.bounded = &r.Round, nil, time.Time{}
	s.Up += r.BytesUp
	s.Down += r.BytesDown
	if r.Number > 0 {
		s.pace.add(r.Seconds.Sum())
	}
	s.waiting = append(s.waiting, r)
	return s.complete()
}

// complete takes the rounds out of waiting up to the first whose measurements are due.
func (s *Story) complete() []*record.RoundHistory {
	n := 0
	for n < len(s.waiting) && (!s.waiting[n].MeasureDue || s.waiting[n].Measured != nil || len(s.waiting)-n > maxWaiting) {
		n++
	}
	done := s.waiting[:n:n]
	s.waiting = append([]*record.RoundHistory(nil), s.waiting[n:]...)
	return done
}

// Rest returns the rounds that were still held back, at the end of the story.
func (s *Story) Rest() []*record.RoundHistory {
	rest := s.waiting
	s.waiting = nil
	return rest
}

// SecondsLeft estimates how long the run will take if it needs all of its rounds, from the last ones; false: no idea.
func (s *Story) SecondsLeft() (float64, bool) {
	if s.Last == nil || s.pace.n == 0 || s.Run.Status != record.Running {
		return 0, false
	}
	return float64(max(0, s.Goal-s.Last.Number)) * s.pace.mean(), true
}

// pace is the mean over the last rounds.
type pace struct {
	last [8]float64
	n    int
}

func (p *pace) add(seconds float64) {
	p.last[p.n%len(p.last)] = seconds
	p.n++
}

func (p *pace) mean() float64 {
	sum, n := 0.0, min(p.n, len(p.last))
	for _, s := range p.last[:n] {
		sum += s
	}
	return sum / float64(n)
}
