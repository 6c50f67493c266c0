package localsgd

import (
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Local is what a task does: the order and size of its batches, and its optimizer, fresh for each task.
type Local struct {
	Schedule shard.Schedule
	SGD      SGD        // unless there is AdamW
	AdamW    *AdamW     // the optimizer, if not nil
	Rates    LRSchedule // nil is constant
	Warmup   Warmup     // on top of Rates
	ClipNorm float64    // of the gradient of the loss, before weight decay; 0 is none
	Freeze   []string   // globs of the names of tensors that stay as they are
}

// Job is everything that a task's result depends on besides its start parameters, round and shard. It is immutable and
// shared by all trainers of a process. Data.Test may be nil where nothing is evaluated, the features of Data.Train where
// nothing is trained.
type Job struct {
	Seed   uint64
	Net    *relu.Network
	Init   relu.Initializer // nil is KaimingUniform
	Data   shard.Data
	Shards shard.Shards
	Local  Local

	Precision Precision // of the local steps
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
	if err := errors.Join(j.checkBatches(), j.Local.checkGlobs(j.Net.Layout())); err != nil {
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

// Start returns a new block with the run's initial parameters.
func (j *Job) Start() []float32 {
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
