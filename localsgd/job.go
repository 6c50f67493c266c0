package localsgd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Local is what a task does: the order and size of its batches, and its optimizer. The gradient of the loss is clipped,
// then pulled and corrected, and then the optimizer's.
type Local struct {
	Schedule shard.Schedule
	SGD      SGD        // unless there is AdamW
	AdamW    *AdamW     // the optimizer, if not nil
	Rates    LRSchedule // nil is constant
	Warmup   Warmup     // on top of Rates
	ClipNorm float64    // of the gradient of the loss, before penalty and weight decay; 0 is none
	PathNorm float64    // times the path norm is added to what training makes small, not to its loss; see relu.Network.OneHiddenLayer
	Freeze   []string   // globs of the names of tensors that stay as they are

	// ProxMu is FedProx's (Li et al. 2020): the gradient is that of the loss + ProxMu/2 |w - start|^2. 0 is plain.
	ProxMu float64
	// Controls are SCAFFOLD's control variates (Karimireddy et al. 2020), which add c - c_i to the gradient; the rule
	// Scaffold asks for them (Algorithm.Prepare). 0 is none. After K steps from x to y with the rate lr a shard has
	// c_i+ = c_i - c + (x - y) / (K lr) under option 2, the gradient of its whole loss at x under option 1.
	Controls int
	// KeepState lets each shard's optimizer state live on from round to round: momentum, or AdamW's moments and count.
	KeepState bool
	// PostLocal is the last round in which tasks make a single step (Lin et al. 2020), of Schedule.Batch examples.
	PostLocal int
	// ClipUpdate bounds the norm of an update's difference from its start, over all parameters that travel; 0 is none.
	ClipUpdate float64
	// Personal are globs of the names of tensors that every shard keeps to itself, FedBN adds those of batch norm (Li et
	// al. 2021). A task starts from the shard's own, the first time from the model's; its update carries the model's.
	Personal []string
	FedBN    bool
}

// Job is everything that a task's result depends on besides its start parameters, round and shard. It is immutable and
// shared by all trainers of a process. Data.Test may be nil where nothing is evaluated, the features of Data.Train where
// nothing is trained.
type Job struct {
	Seed   uint64
	Net    *relu.Network
	Init   relu.Initializer // nil is KaimingUniform
	Given  []float32        // the start model, where it is not nil; Init then counts for nothing
	Data   shard.Data
	Shards shard.Shards
	Local  Local

	Precision Precision // of the local steps
	Byzantine Byzantine // the zero value: every shard is honest
}

// ErrJob is wrapped by every error of Job.Check.
var ErrJob = errors.New("network and data do not fit")

// Check returns an error if the network and the data do not fit each other.
func (j *Job) Check() error {
	for _, set := range []struct {
		name string
		*shard.Set
	}{{"training", j.Data.Train}, {"test", j.Data.Test}} {
		if set.Set == nil {
			continue
		}
		if err := j.checkSet(set.Set); err != nil {
			return fmt.Errorf("%w: %s set: %w", ErrJob, set.name, err)
		}
	}
	_, err := j.shardState()
	if err := errors.Join(j.checkBatches(), j.checkPathNorm(), j.Local.checkGlobs(j.Net.Layout()), j.checkAttack(), err); err != nil {
		return fmt.Errorf("%w: %w", ErrJob, err)
	}
	return nil
}

// checkBatches makes sure that batch norm never trains on a single example.
func (j *Job) checkBatches() error {
	s := j.schedule()
	if !s.Join {
		return nil
	}
	for k, examples := range j.Shards {
		if n := len(examples); s.Batch == 1 || n == 1 && (s.Epochs > 0 || s.Batch == 0) {
			return fmt.Errorf("shard %d of %d examples makes batches of one (batch: %d), batch_norm needs at least two", k, n, s.Batch)
		}
	}
	return nil
}

// schedule returns the local schedule as the network needs it.
func (j *Job) schedule() shard.Schedule {
	s := j.Local.Schedule
	s.Join = j.Net.LeastBatch() > 1
	return s
}

func (j *Job) checkSet(set *shard.Set) error {
	if set.HasFeatures() && set.Size() != j.Net.Inputs() {
		return fmt.Errorf("an example has %d values (shape %v), the network takes %d", set.Size(), set.Shape, j.Net.Inputs())
	}
	if j.Net.Loss() == relu.CrossEntropy && set.Classes == 0 {
		return errors.New("cross_entropy needs class labels, the data have targets; use loss: mse")
	}
	return set.CheckOutputs(j.Net.Outputs())
}

// Layout returns the layout of what a task starts from and of its update: the model, with Local.Controls followed by c in
// the start and by c_i+ - c_i in an update.
func (j *Job) Layout() *tensor.Layout {
	if j.Local.Controls == 0 {
		return j.Net.Layout()
	}
	layout, err := j.Net.Layout().Extend(controlsName)
	if err != nil {
		panic("localsgd: a job that was not checked: " + err.Error())
	}
	return layout
}

// Start returns a new block with the run's initial parameters.
func (j *Job) Start() []float32 {
	if j.Given != nil {
		return slices.Clone(j.Given)
	}
	block := make([]float32, j.Net.Parameters())
	init := j.Init
	if init == nil {
		init = relu.KaimingUniform
	}
	j.Net.Initialize(block, init, j.Seed)
	return block
}

// Examples returns the number of training examples of each of the shards.
func (j *Job) Examples(shards []int) []int {
	n := make([]int, len(shards))
	for i, k := range shards {
		n[i] = len(j.Shards[k])
	}
	return n
}

// maxBatch is the largest batch that any task makes.
func (j *Job) maxBatch() int {
	m := 1
	for _, examples := range j.Shards {
		m = max(m, j.schedule().MaxBatch(len(examples)))
		if j.Local.Controls == 1 {
			m = max(m, j.wholeSchedule().MaxBatch(len(examples)))
		}
	}
	return m
}

// Fill puts examples of a set into a machine's batch.
func Fill[F kernel.Float](m *relu.Machine[F], set *shard.Set, examples []int32) *relu.Batch[F] {
	b := m.Batch(len(examples))
	rows := shard.Rows[F]{X: b.X, Targets: b.Targets}
	if set.Classes > 0 {
		rows.Labels, rows.Targets = b.Labels, nil
		b.Targets = nil // mse on class labels takes one-hot targets
	}
	shard.Gather(set, examples, rows)
	return b
}
