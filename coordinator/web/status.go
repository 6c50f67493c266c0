package web

import (
	"context"
	"maps"
	"time"
)

// Source is what the room looks at: a coordinator.
type Source interface {
	// Status returns what is going on. An error means that the coordinator does not serve.
	Status(ctx context.Context) (Status, error)
}

// Status is what a coordinator does now.
type Status struct {
	Build    string
	Workers  []Worker
	Run      *Run     // the active one; nil: none
	Queue    []Queued // runs that come next, in order
	Up, Down int64    // bytes on the wire since the start, up from workers
	Rounds   Rounds
	Measured []Measured // what was last measured of each run that was worked on since the start, the newest first
}

// Worker is a worker that is there.
type Worker struct {
	Name   string
	Slots  int
	Shards string // that it can serve, as in 0-9,12
	State  string // in words
	Since  time.Time
}

// Run is the active run.
type Run struct {
	ID, Name string
	Round    int    // at hand
	Goal     int    // rounds that its spec asks for
	Phase    string // of the round
	Answered int    // shards of the round whose updates are there
	Invited  int    // shards of the round
	Wait     Wait
	Accuracy *float64 // on the test set after the last evaluated round; nil: not known
	Loss     *float64
}

// Wait is what the active run waits for.
type Wait struct {
	For     string    // in words; empty: nothing
	Reason  string    // one word of a small set, for metrics
	Awaited []string  // workers
	Since   time.Time // when the wait began
	Until   time.Time // when it ends whatever happens; zero: heartbeats alone bound it
}

// Queued is a run that waits for its turn.
type Queued struct{ ID, Name string }

// Rounds is what all rounds since the start took together.
type Rounds struct {
	Committed int64
	Seconds   map[string]float64 // by part: train, wait, network, aggregate, commit, measure
}

// Clone returns a copy that shares nothing.
func (r Rounds) Clone() Rounds {
	r.Seconds = maps.Clone(r.Seconds)
	return r
}

// Measured is what was last measured of a run.
type Measured struct {
	Run                         string      // its ID
	Drift, DriftRel, Divergence *float64    // by the names of the record; nil: not known
	Layers                      []LayerRank // of its model
}

// LayerRank is what is known of the rank of one weight.
type LayerRank struct {
	Name      string  // as export names it
	Rank      int     // at checks.rank.epsilon
	Effective float64 // at least 1, at most the smaller side; 0 for a weight of zeros
	Stable    float64 // likewise
}
