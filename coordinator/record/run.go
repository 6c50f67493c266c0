package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Status is where a run stands.
type Status int

// The statuses of a run. A stopped run can go on; a completed, failed or cancelled one never does.
const (
	Queued Status = iota + 1
	Running
	Completed
	Stopped
	Failed
	Cancelled
)

var statusNames = [...]string{Queued: "queued", Running: "running", Completed: "completed", Stopped: "stopped", Failed: "failed",
	Cancelled: "cancelled"}

// String returns the status as command line and JSON write it.
func (s Status) String() string {
	if s < Queued || s > Cancelled {
		return fmt.Sprintf("status %d", int(s))
	}
	return statusNames[s]
}

// Final tells whether a run with this status will never go on.
func (s Status) Final() bool { return s == Completed || s == Failed || s == Cancelled }

// Data is the fingerprint of a data set: the hashes of its four arrays as loaded. A zero hash is an array that nobody
// has shown yet: a coordinator needs no training images.
type Data struct {
	TrainX, TrainY, TestX, TestY tensor.Hash
}

// Keep says which models stay in the store; entries always stay. The newest model, and models that a measurement still
// needs, stay whatever it says.
type Keep struct {
	Last  int  // the models of the last rounds, at least 1
	Every int  // every round whose number is a multiple of it; 0: none
	Best  bool // the round with the highest test accuracy, the earliest of equals
}

// Commit says how long the commit of a round took. It is known only when the round exists already, so the next entry
// carries it, or the Run if none follows; if the process ends between the two, nobody knows it any more.
type Commit struct {
	Round   int
	Seconds float64
}

// Run is one training job.
type Run struct {
	ID         string // lower-case letters and digits, sorts by time of submission
	Name       string
	Spec       []byte // the spec with all defaults, in an encoding that is the same for equal specs; opaque here
	SpecYAML   []byte // the text that Spec was read from, maybe empty
	Created    time.Time
	Status     Status
	Reason     string      // why the run has that status
	Layout     tensor.Hash // fingerprint of the model's tensor.Layout; zero until the run was planned
	Data       Data
	ShardSizes []int // examples of each shard; empty until the run was planned
	Build      string
	Numerics   uint32
	StartModel tensor.Hash // zero until the run was planned, unless it was submitted
	StartGiven bool        // the start model was submitted with the run
	Keep       Keep
	Wall       time.Duration // that the run took so far, over all its sittings
	Started    time.Time     // of its first sitting; zero: it never ran
	Ended      time.Time     // of its last sitting; zero while it runs or never ran
	Committed  *Commit       // of the last round, while no later entry says it
	Tensors    []tensor.Desc // of the model's layout, in the order of the block; empty until the run was planned, unless the start model was submitted
	Parts      []shard.Part  // by shard, what its worker alone holds; empty unless every worker brings its own shards
}

const (
	minID, maxID = 4, 64
	// MaxText is the longest text that is stored, in bytes; longer ones are cut.
	MaxText = 4096
	// MaxSpec bounds Run.Spec and Run.SpecYAML, in bytes.
	MaxSpec = 4 << 20
	// MaxTensors bounds the number of tensors of a run's model.
	MaxTensors = 1 << 17
	// MaxShards bounds the number of shards of a run.
	MaxShards = 1 << 24
)

// Validate returns an error that wraps ErrInvalid and names the first field that breaks a rule.
func (r *Run) Validate() error {
	f := fields{of: "run"}
	f.check(validID(r.ID), "id", r.ID, "4 to 64 lower-case letters, digits, - and _")
	f.check(r.Status >= Queued && r.Status <= Cancelled, "status", int(r.Status), "queued .. cancelled")
	f.check(len(r.Spec) <= MaxSpec, "spec", len(r.Spec), "at most 4 MiB")
	f.check(len(r.SpecYAML) <= MaxSpec, "spec_yaml", len(r.SpecYAML), "at most 4 MiB")
	f.check(len(r.ShardSizes) <= MaxShards, "shard_sizes", len(r.ShardSizes), "at most 2^24")
	for _, n := range r.ShardSizes {
		f.check(n >= 0, "shard_sizes", n, "not negative")
	}
	f.check(len(r.Parts) == 0 || len(r.Parts) == len(r.ShardSizes), "parts", len(r.Parts), "one for each shard, or none")
	for k, p := range r.Parts {
		f.check(p.Tests >= 0 && k < len(r.ShardSizes) && p.Examples == r.ShardSizes[k], "parts.examples", p.Examples, "the shard's size")
	}
	f.small("keep.last", r.Keep.Last)
	f.small("keep.every", r.Keep.Every)
	f.check(len(r.Tensors) <= MaxTensors, "tensors", len(r.Tensors), "at most 2^17")
	f.check(!r.StartGiven || !r.StartModel.IsZero(), "start_model", r.StartModel, "the SHA-256 of the model that was submitted")
	f.check(r.Wall >= 0, "wall", r.Wall, "not negative")
	f.commit(r.Committed)
	return f.err
}

func validID(id string) bool {
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(id) >= minID && len(id) <= maxID
}

// Genesis is the Prev of the run's first entry. It covers the run's id, spec, layout, shard sizes and numerics version:
// a chain belongs to what its run was to compute. These fields therefore never change once the chain has an entry.
func (r *Run) Genesis() tensor.Hash {
	h := sha256.New()
	h.Write([]byte("fedrelu run 1\n"))
	sized := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	sized([]byte(r.ID))
	sized(r.Spec)
	h.Write(r.Layout[:])
	h.Write(binary.BigEndian.AppendUint32(nil, r.Numerics))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(r.ShardSizes))))
	for _, n := range r.ShardSizes {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	return tensor.Hash(h.Sum(nil))
}
