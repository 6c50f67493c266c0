package study

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Study is a group of measurements that is switched on and off together.
type Study string

// The studies. The package doc has the table of what they say and cost.
const (
	Updates       Study = "updates"
	Drift         Study = "drift"
	LocalRanks    Study = "local_ranks"
	LocalSpectra  Study = "local_spectra"
	Noise         Study = "noise"
	Fluctuation   Study = "fluctuation"
	Units         Study = "units"
	Entropy       Study = "entropy"
	Identity      Study = "identity"
	ZeroInputs    Study = "zero_inputs"
	Norms         Study = "norms"
	Curve         Study = "curve"
	Barrier       Study = "barrier"
	Alignment     Study = "alignment"
	Sawtooth      Study = "sawtooth"
	Heterogeneity Study = "heterogeneity"
	Prediction    Study = "prediction"
	NullModel     Study = "null_model"
)

// All returns the studies, in the order of the table.
func All() []Study {
	var all []Study
	for _, s := range studies {
		all = append(all, s.name)
	}
	return all
}

// Input is a round to be measured. Nothing of it is changed.
type Input struct {
	Job       *localsgd.Job
	Algorithm localsgd.Algorithm
	Plan      localsgd.Plan // the tasks that entered the round's model, with their weights p_k and steps
	Shards    []int         // measured: shards of the plan, ascending; see analysis.MeasuredShards
	Start     []float32     // what was stored before the round; at least its model
	Next      []float32     // what is stored after it, likewise
	Want      []Study
	Options
}

// Options are the conventions that may differ.
type Options struct {
	Epsilon   float64 // threshold of the quantity "rank", in (0, 1); 0: 0.001
	MaxSide   int     // layers whose smaller side exceeds it have no singular values taken; 0: all have
	Probe     int     // examples of each shard's probe (M3); 0: the whole shard
	Evaluated int     // first examples of the test set that models are evaluated on (M15, M16, M18); 0: 1,000
	Every     int     // sawtooth and fluctuation look at every so many steps at least, and at the last; 0: 1
	Draws     int     // of the null model; 0: 20
	Most      int     // numbers that all studies together may say; 0: no bound. The package doc says what is left out
}

// ErrInput is wrapped by the errors of an Input that does not fit together.
var ErrInput = errors.New("no round to be measured")

func (in *Input) check() error {
	n := in.Job.Net.Parameters()
	switch {
	case len(in.Start) < n || len(in.Next) < n:
		return fmt.Errorf("%w: models of %d and %d numbers, want at least %d", ErrInput, len(in.Start), len(in.Next), n)
	case len(in.Shards) == 0:
		return fmt.Errorf("%w: no shard is measured", ErrInput)
	case in.Epsilon < 0 || in.Epsilon >= 1 || in.Probe < 0 || in.Evaluated < 0 || in.Every < 0 || in.MaxSide < 0 || in.Draws < 0 || in.Draws == 1 || in.Most < 0:
		return fmt.Errorf("%w: options %+v", ErrInput, in.Options)
	}
	for i, k := range in.Shards {
		if i > 0 && k <= in.Shards[i-1] {
			return fmt.Errorf("%w: measured shards %v, want them ascending", ErrInput, in.Shards)
		}
		t, ok := in.planned(k)
		if !ok || t.Weight == 0 || k < 0 || k >= len(in.Job.Shards) {
			return fmt.Errorf("%w: shard %d is measured and has no task of the round", ErrInput, k)
		}
	}
	for _, s := range in.Want {
		if !slices.Contains(All(), s) {
			return fmt.Errorf("%w: there is no study %q, want some of %v", ErrInput, s, All())
		}
	}
	return nil
}

func (in *Input) planned(k int) (localsgd.PlannedTask, bool) {
	i := slices.IndexFunc(in.Plan.Tasks, func(t localsgd.PlannedTask) bool { return t.Shard == k })
	if i < 0 {
		return localsgd.PlannedTask{}, false
	}
	return in.Plan.Tasks[i], true
}

// Refuses returns why nothing of the job's rounds can be measured by repeating tasks; empty if it can.
func Refuses(job *localsgd.Job, a localsgd.Algorithm) string {
	if job.ShardState().Size() > 0 {
		return "shards have states of their own, so that tasks cannot be repeated"
	}
	if _, is := a.Rule.(localsgd.Asynchronous); is {
		return fmt.Sprintf("tasks under the rule %s start from different models", a.Rule.Name())
	}
	return ""
}

// lacks returns what this process would need for the measured shards; empty if it has everything.
func (in *Input) lacks() string {
	set := in.Job.Data.Train
	if set == nil || !set.HasFeatures() {
		return "this process has no training data"
	}
	if set.Classes == 0 && set.Targets == nil || set.Classes > 0 && set.Labels == nil {
		return "this process has no training labels"
	}
	for _, k := range in.Shards {
		if len(in.Job.Shards[k]) == 0 {
			return fmt.Sprintf("this process does not have shard %d", k)
		}
	}
	return ""
}

// Model says what local models are compared with (M1): Mean, the mean of the ends, where it is known, which is where the rule
// takes it or all shards of the plan are measured, else Next, the model that the round made.
func (in *Input) Model() string {
	if in.Algorithm.Rule.TakesMean() || len(in.Shards) == len(in.Plan.Tasks) {
		return Mean
	}
	return Next
}

// plainSGD returns why local steps are not w <- w - lr (gradient + wd w); empty if they are.
func (in *Input) plainSGD() string {
	l := in.Job.Local
	switch {
	case l.AdamW != nil:
		return "the local optimizer is adamw"
	case l.SGD.Momentum != 0:
		return fmt.Sprintf("the local optimizer has momentum %g", l.SGD.Momentum)
	case l.ClipUpdate != 0:
		return "updates are clipped"
	case l.PathNorm != 0:
		return "training has a path norm penalty"
	case in.Job.Byzantine.Attack != nil:
		return "some shards attack"
	}
	return ""
}

// batch returns the size of the batches of a shard of n examples.
func (in *Input) batch(n int) int {
	if b := in.Job.Local.Schedule.Batch; b > 0 {
		return b
	}
	return n
}

func (in *Input) net() *relu.Network { return in.Job.Net }
