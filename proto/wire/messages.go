package wire

import (
	"time"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// FromWorker is a message that a worker sends on its session; the types that implement it are all there are.
type FromWorker interface{ fromWorker() }

// ToWorker is a message that the coordinator sends on a worker's session.
type ToWorker interface{ toWorker() }

// Instance identifies a worker's directory: a worker started again in it takes its old place at once.
type Instance [16]byte

// Range is the shards First..Last, both included.
type Range struct{ First, Last int }

// Hello introduces a worker.
type Hello struct {
	Protocol, Numerics uint32
	Build              string
	Name               string
	Instance           Instance
	Token              []byte
	Shards             []Range // that it can serve; none: all
	Slots              int
	Kept               []string // runs of which states of shards lie here
}

// Heartbeat says that the worker lives.
type Heartbeat struct{}

// RunReady says that the worker has the run's data and network, and what it holds from an earlier session.
type RunReady struct {
	Run     string
	Data    shard.Fingerprint
	Holding []Holding
	States  []ShardState // that lie at the worker; none where they travel
	Own     []OwnShard   // ascending; only where every worker brings its own shards, and Data is then zero
}

// ShardState names a state that a shard has of its own.
type ShardState struct {
	Shard int
	Hash  tensor.Hash
}

// OwnShard is a shard that the worker has brought.
type OwnShard struct {
	Shard int
	shard.Part
}

// Holding is one result, an update or a sum that counts only whole, of a round with this start model.
type Holding struct {
	Round  int
	Start  tensor.Hash
	Shards []int
}

// RunRefused says in words why the worker cannot take part in a run.
type RunRefused struct{ Run, Reason string }

// Trained reports finished tasks whose results the worker holds.
type Trained struct {
	Key
	Shards []int
}

// TaskFailed reports a task that could not be done here; it may be done elsewhere.
type TaskFailed struct {
	Key
	Shard  int
	Reason string
}

// Diverged reports a task that would diverge everywhere.
type Diverged struct {
	Key
	Shard, Step int
	Detail      string
}

// Dropped reports results that the worker no longer has, without fault.
type Dropped struct {
	Key
	Shards []int
	Reason string
}

// DriftSample is the measurement of one shard. Its weight is not on the wire: the coordinator knows it.
type DriftSample struct {
	Key
	Probe   int
	Sample  analysis.Sample
	Modules []analysis.ModuleSample // the same for each layer
	Flips   []activity.Flip         // of each gated activation
}

// DriftFailed reports a measurement that could not be done here.
type DriftFailed struct {
	Key
	Shard  int
	Reason string
}

// Studied answers Study.
type Studied struct {
	Key
	Readings []study.Reading
	Missing  []study.Missing
}

// StudyFailed reports a study that could not be made here.
type StudyFailed struct {
	Key
	Reason string
}

// Scored is the score of a round's model on one shard's test set: sums over its examples.
type Scored struct {
	Key
	Shard int
	Sums  localsgd.Sums
}

// ScoreFailed reports an evaluation that could not be done here.
type ScoreFailed struct {
	Key
	Shard  int
	Reason string
}

func (Hello) fromWorker()       {}
func (Heartbeat) fromWorker()   {}
func (RunReady) fromWorker()    {}
func (RunRefused) fromWorker()  {}
func (Trained) fromWorker()     {}
func (TaskFailed) fromWorker()  {}
func (Diverged) fromWorker()    {}
func (Dropped) fromWorker()     {}
func (DriftSample) fromWorker() {}
func (DriftFailed) fromWorker() {}
func (Studied) fromWorker()     {}
func (StudyFailed) fromWorker() {}
func (Scored) fromWorker()      {}
func (ScoreFailed) fromWorker() {}

// Welcome admits a worker.
type Welcome struct {
	Session   uint64        // names this session in pushes and fetches
	Heartbeat time.Duration // between two of the worker's heartbeats
	Lost      time.Duration // without a message for this long, a side gives the other up
	Build     string
}

// StartRun announces a run. The worker answers RunReady or RunRefused.
type StartRun struct {
	Run    string
	Spec   []byte // the spec message, all defaults filled in
	Layout tensor.Hash
	Data   shard.Fingerprint
	Own    []OwnShard // what is recorded of the shards that the worker may bring, ascending; none: nothing yet
}

// Assign hands out tasks of one round, to be trained in their order.
type Assign struct {
	Key
	Start tensor.Hash
	Tasks []Task
	Sum   bool // updates may be added and pushed as a sum; otherwise each is pushed alone, at once
	// OpenFrom is the first round whose tasks still count beside this one's; 0: all other rounds are over.
	OpenFrom int
}

// Task is one shard's task with its weight in the mean. Measured: the end stays until the round's Measure.
type Task struct {
	Shard    int
	Weight   localsgd.Weight
	Measured bool
	Steps    int         // at most; 0: as many as the schedule says
	State    tensor.Hash // of the shard, to go on from; zero: it has none yet
}

// Flush asks for everything that is trained and not pushed of a round.
type Flush struct{ Key }

// Abandon takes tasks back and makes the worker forget their results.
type Abandon struct {
	Key
	Shards []int
}

// Measure asks for the drift of shards between the ends of their tasks and the model that came of the round.
type Measure struct {
	Key
	Shards       []int
	Start, Model tensor.Hash
	Probe        int   // examples
	Steps        []int // of each shard's task, as in Task; nil: all
}

// Study asks for everything about a round that needs the local models of all measured shards at once, or every step.
type Study struct {
	Key
	Shards       []int // measured, ascending, each with a task
	Tasks        []StudiedTask
	Start, Model tensor.Hash
	Studies      []string // keys of the spec's checks
}

// StudiedTask is a task whose update made a model; ascending by shard.
type StudiedTask struct {
	Shard  int
	Weight localsgd.Weight
	Steps  int // at most, as in Task
}

// Score asks for the score of a model, which is not committed yet, on the worker's own test sets.
type Score struct {
	Key
	Shards []int
	Model  tensor.Hash
}

// CloseRun says that a run is not worked on any more: everything of it can go, but states of shards that lie at the worker, which
// are needed when it is resumed, unless it has ended for good.
type CloseRun struct {
	Run  string
	Over bool // for good
}

func (Welcome) toWorker()  {}
func (StartRun) toWorker() {}
func (Assign) toWorker()   {}
func (Flush) toWorker()    {}
func (Abandon) toWorker()  {}
func (Measure) toWorker()  {}
func (Study) toWorker()    {}
func (Score) toWorker()    {}
func (CloseRun) toWorker() {}

// Push is the header of a push: what its payload is.
type Push struct {
	Key
	Session uint64
	Start   tensor.Hash
	Layout  tensor.Hash
	Sum     bool // the payload is a sum in localsgd's byte form, otherwise one update
	Tasks   []PushedTask
	Quanta  []int32     // of the sum's grid, by tensor
	Bytes   int64       // of the payload: update or sum, then the tasks' states where they travel
	SHA256  tensor.Hash // of the payload
}

// PushedTask is a task in a push with its local facts.
type PushedTask struct {
	localsgd.Share
	localsgd.Facts
	Train time.Duration // spent training
	State tensor.Hash   // of the shard, that the task made; zero where shards have none
}

// Shards returns the shards of the push, ascending.
func (p *Push) Shards() []int {
	shards := make([]int, len(p.Tasks))
	for i := range p.Tasks {
		shards[i] = p.Tasks[i].Shard
	}
	return shards
}

// Shares returns shards and weights of the push.
func (p *Push) Shares() []localsgd.Share {
	shares := make([]localsgd.Share, len(p.Tasks))
	for i := range p.Tasks {
		shares[i] = p.Tasks[i].Share
	}
	return shares
}

// Verdict is the answer to a push.
type Verdict int

const (
	// Counted: the push is part of the round's mean.
	Counted Verdict = iota + 1
	// Duplicate: all of it counted already.
	Duplicate
	// Late: the round is over.
	Late
	// Refused: nothing of it counts; the reason names the field.
	Refused
)

// String returns the verdict in one word.
func (v Verdict) String() string {
	if v < Counted || v > Refused {
		return "unknown"
	}
	return [...]string{"counted", "duplicate", "late", "refused"}[v-1]
}

// PushReply answers a push.
type PushReply struct {
	Verdict Verdict
	Reason  string
}

// Fetch asks for a model by its hash.
type Fetch struct {
	Session uint64
	Run     string
	Model   tensor.Hash
}
