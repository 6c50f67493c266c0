package record

import (
	"math"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Round is a committed round. Round 0 is the start model: it has no participants and no StartModel.
type Round struct {
	Number       int
	Invited      []int    // shards drawn, ascending; Participants and Missing together
	Participants []int    // shards whose updates count, ascending; of an asynchronous round those of Arrivals, in their order
	Missing      []int    // invited shards without one, ascending
	CloseReason  string   // why the round closed
	Absent       []Absent // why who is missing; older builds did not say it
	Weights      []uint64 // of each participant, on the grid of the exact mean
	TaskSteps    []int    // of each participant at most, 0: all; none where no task was cut
	Diverged     []Diverged
	Workers      []Worker    // who computed what, by name
	Arrivals     []Arrival   // of an asynchronous round, in the order in which they were counted; else none
	Discarded    []Discarded // in the order in which they became too old

	TestAccuracy, TestLoss, TrainLoss *float64 // accuracy is a fraction of 1

	Examples, Steps    int64 // of all participants together
	BytesUp, BytesDown int64 // up: from workers to the coordinator
	Seconds            Seconds
	StartModel, Model  tensor.Hash   // that the round began with, and that it made
	RuleState          tensor.Hash   // of what the rule remembers beside the model; zero: nothing
	Start              tensor.Hash   // of what tasks began with, if that is more than StartModel; else zero
	ShardStates        []tensor.Hash // of each participant, that its task made; none where shards have no states
	StatesStay         bool          // with the workers: only their hashes are known here
	FreshStates        []int         // shards whose state was lost, so that they began without one; ascending
	Time               time.Time     // when it closed
	MeasureDue         bool          // a Measured of this round follows in the chain
}

// StepsOf returns how many local steps the task of a participant had at most; 0: all.
func (r *Round) StepsOf(shard int) int {
	if at, found := slices.BinarySearch(r.Participants, shard); found && r.TaskSteps != nil {
		return r.TaskSteps[at]
	}
	return 0
}

// Arrival is an update of an asynchronous round: that of a shard from the model of round Start.
type Arrival struct{ Start, Shard int }

// Discarded is a task that began but came too late to count in any round.
type Discarded struct {
	Arrival
	Reason string
}

// Asynchronous tells whether the round was made of whatever came in first, so that nobody was invited to it.
func (r *Round) Asynchronous() bool { return len(r.Arrivals) > 0 }

// Staleness returns how many rounds before the newest model the updates of an asynchronous round had started, on average and
// at most; 0 for other rounds.
func (r *Round) Staleness() (mean float64, most int) {
	sum := 0
	for _, a := range r.Arrivals {
		age := r.Number - 1 - a.Start
		sum, most = sum+age, max(most, age)
	}
	return float64(sum) / float64(max(1, len(r.Arrivals))), most
}

// Diverged is a task that ended with NaN, an infinity, or out of range.
type Diverged struct {
	Shard  int
	Step   int64
	Detail string
}

// Absent is why some of the missing shards have no update.
type Absent struct {
	Shards []int // ascending
	Reason string
}

// Worker is the part that one worker had in a round.
type Worker struct {
	Name   string
	Shards []int // ascending
}

// Seconds is where the wall time of a round went, up to its commit (see Commit for that).
type Seconds struct {
	Train, Wait, Network, Aggregate float64
	MeasureWait                     float64 // the part of Wait spent on the measurement of an earlier round
}

// Sum is the wall time from the round's start to its commit.
func (s Seconds) Sum() float64 { return s.Train + s.Wait + s.Network + s.Aggregate }

// Number returns v as a number that was measured, or nil if it is no finite number.
func Number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// Validate returns an error that wraps ErrInvalid and names the first field that breaks a rule.
func (r *Round) Validate() error {
	f := fields{of: "round"}
	f.small("number", r.Number)
	r.validateShards(&f)
	r.validateNumbers(&f)
	f.check(!r.Model.IsZero(), "model", "no hash", "a SHA-256")
	f.check(r.StartModel.IsZero() == (r.Number == 0), "start_model", r.StartModel, "a SHA-256, and none in round 0")
	f.check(r.Start.IsZero() || r.Number > 0, "start", r.Start, "none in round 0")
	return f.err
}

func (r *Round) validateShards(f *fields) {
	f.shards("invited", r.Invited)
	f.shards("missing", r.Missing)
	if r.Asynchronous() {
		r.validateArrivals(f)
	} else {
		f.shards("participants", r.Participants)
		f.check(slices.Equal(r.Invited, merge(r.Participants, r.Missing)), "invited", len(r.Invited), "participants and missing together")
	}
	f.check(len(r.Weights) == len(r.Participants), "weights", len(r.Weights), "one for each participant")
	steps := len(r.TaskSteps)
	f.check(steps == 0 || steps == len(r.Participants), "task_steps", steps, "none, or one for each participant")
	for _, n := range r.TaskSteps {
		f.small("task_steps", n)
	}
	for _, a := range r.Absent {
		f.shards("absent.shards", a.Shards)
		for _, k := range a.Shards {
			_, found := slices.BinarySearch(r.Missing, k)
			f.check(found, "absent.shards", k, "a missing shard")
		}
	}
	n := len(r.ShardStates)
	f.check(n == 0 || n == len(r.Participants), "shard_states", n, "none, or one for each participant")
	f.shards("fresh_states", r.FreshStates)
	for _, h := range r.ShardStates {
		f.check(!h.IsZero(), "shard_states", "no hash", "SHA-256s")
	}
	f.check(r.Number > 0 || len(r.Invited) == 0, "invited", len(r.Invited), "no shard in round 0")
	for _, d := range r.Diverged {
		_, found := slices.BinarySearch(r.Invited, d.Shard)
		f.small("diverged.shard", d.Shard)
		f.check(found || r.Asynchronous(), "diverged.shard", d.Shard, "an invited shard")
		f.count("diverged.step", d.Step)
	}
	for _, w := range r.Workers {
		f.shards("workers.shards", w.Shards)
	}
}

func (r *Round) validateArrivals(f *fields) {
	f.check(len(r.Invited) == 0 && len(r.Missing) == 0, "invited", len(r.Invited)+len(r.Missing), "nobody in an asynchronous round")
	f.check(len(r.TaskSteps) == 0, "task_steps", len(r.TaskSteps), "none in an asynchronous round")
	f.check(len(r.ShardStates) == 0, "shard_states", len(r.ShardStates), "none in an asynchronous round")
	f.check(len(r.Participants) == len(r.Arrivals), "participants", len(r.Participants), "those of the arrivals")
	seen := make(map[Arrival]bool, len(r.Arrivals))
	for i, a := range r.Arrivals {
		f.small("arrivals.round", a.Start)
		f.small("arrivals.shard", a.Shard)
		f.check(a.Start < r.Number, "arrivals.round", a.Start, "an earlier round")
		f.check(i >= len(r.Participants) || r.Participants[i] == a.Shard, "participants", a.Shard, "those of the arrivals")
		f.check(!seen[a], "arrivals", a, "each once")
		seen[a] = true
	}
	for _, d := range r.Discarded {
		f.small("discarded.round", d.Start)
		f.small("discarded.shard", d.Shard)
	}
}

func (r *Round) validateNumbers(f *fields) {
	f.finite("test_loss", r.TestLoss)
	f.finite("train_loss", r.TrainLoss)
	f.finite("test_accuracy", r.TestAccuracy)
	if a := r.TestAccuracy; a != nil {
		f.check(*a >= 0 && *a <= 1, "test_accuracy", *a, "0 .. 1")
	}
	f.count("examples", r.Examples)
	f.count("steps", r.Steps)
	f.count("bytes_up", r.BytesUp)
	f.count("bytes_down", r.BytesDown)
	f.positive("seconds.train", r.Seconds.Train)
	f.positive("seconds.wait", r.Seconds.Wait)
	f.positive("seconds.network", r.Seconds.Network)
	f.positive("seconds.aggregate", r.Seconds.Aggregate)
	f.positive("seconds.measure_wait", r.Seconds.MeasureWait)
}

// merge returns the union of two ascending lists; a shard in both stays there twice, so that it equals no valid list.
func merge(a, b []int) []int {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return all
}
