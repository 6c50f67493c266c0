package spec

import (
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Spec describes a run, with all defaults filled in.
type Spec struct {
	Name          string // may be empty
	Seed          uint64
	Rounds        int     // at most, from 1
	StopAccuracy  float64 // stop at the first round with this test accuracy, in (0, 1]; 0 = never
	Data          Data
	Shards        Shards
	Model         Model
	Loss          relu.Loss
	Smoothing     float64 // of cross entropy's labels, in [0, 1)
	Precision     localsgd.Precision
	Local         localsgd.Local // Freeze is model.freeze, PathNorm regularize.path_norm
	Participation localsgd.Participation
	Server        localsgd.Rule
	Weighting     localsgd.Weighting
	Close         Close
	OnDivergence  Divergence
	GiveUp        time.Duration // without any worker that can serve a shard; positive
	State         StatePlace    // where states of shards are between rounds
	StateDeadline time.Duration // without the worker that has a shard's state; positive
	OnStateLost   StateLoss
	Drift         Drift
	Rank          Rank
	Studies       Studies
	EvaluateEvery int // rounds between evaluations on the test set; 0 = never
	Keep          Keep
	TaskLimit     time.Duration // that a live worker may finish nothing; 0 = no limit
	Simulate      localsgd.Simulation
	Byzantine     localsgd.Byzantine // faults.byzantine; Attack nil = nobody attacks
}

// Shards says how the training examples are given out.
type Shards struct {
	Count     int // from 1
	Partition shard.Partition
	Limit     int // use only the first so many training examples; 0 = all
}

// Close says when a round ends: when every participant has answered, or earlier. At most one of Quorum, Deadline and Adaptive
// is set; the zero value waits for all.
type Close struct {
	Quorum   int           // so many answers suffice; 0 = no quorum
	Grace    time.Duration // how long a reached quorum waits for the rest
	Deadline time.Duration // after the round's start; 0 = no deadline
	Adaptive Adaptive
}

// Adaptive is a deadline that follows how long shards took: median + K x MAD.
type Adaptive struct {
	K            float64 // positive; 0 = no such deadline
	Observations int     // with fewer there is no deadline, from 1
	Floor        time.Duration
}

// Divergence is what becomes of a run when a task diverges.
type Divergence int

// Fail ends the run; Continue goes on without the shard, as long as another one answers.
const (
	Fail Divergence = iota
	Continue
)

// StatePlace is where the states that shards have of their own are between rounds.
type StatePlace int

// StateAuto is StateAtCoordinator while the states of a round's participants have at most 64 MiB, else StateAtWorker.
const (
	StateAuto StatePlace = iota
	StateAtCoordinator
	StateAtWorker
)

// StateLoss is what becomes of a run when the worker that has a shard's state does not come.
type StateLoss int

// FailWithoutState ends the run; StartAfresh goes on without that state, and the record says so.
const (
	FailWithoutState StateLoss = iota
	StartAfresh
)

// Drift says how drift is measured.
type Drift struct {
	Every  int // rounds between measurements; 0 = off
	Shards int // of a round's participants at most; also for studies
	Probe  int // examples a probe batch
}

// Rank says how the spectra of the global model's matrices are measured.
type Rank struct {
	Every   int     // rounds between measurements; 0 = off
	Epsilon float64 // of the Frobenius norm, in (0, 1)
	MaxSide int     // matrices with a larger smaller side are left out
	Spectra int     // rounds between those whose singular values are all kept, if measured; 0 = none
}

// Keep says which models stay in the store.
type Keep struct {
	Last  int  // the newest so many, from 1
	Every int  // and those of every so many rounds; 0 = none
	Best  bool // and that of the best test accuracy
}
