package localsgd

import "github.com/fedrelu/fedrelu/localsgd/tensor"

// Rule makes the next model from a round's start and the exact mean of its updates: the server step. What it remembers
// from round to round are blocks of the model's size that it is handed; a Rule has no hidden state, and is a plain
// comparable value whose exported fields (float64, int and bool) are its parameters. How to add one is in ARCHITECTURE.md.
//
// A rule that needs more of its surroundings implements LocalRule, Weigher, Combiner or Asynchronous as well.
type Rule interface {
	// Name is the rule's key in a spec.
	Name() string
	// TakesMean tells whether the next model is the mean itself.
	TakesMean() bool
	// State lists the blocks that the rule remembers, broadcast ones first; nil is none.
	State() []StateBlock
	// Step turns the mean into the next model, and old state into new.
	Step(s *ServerStep)
}

// StateBlock is a block of float32 that a rule remembers, alike in shape to the model. At buffers (running statistics) it
// is zero whatever the rule does.
type StateBlock struct {
	Name    string  // of the block in layouts: tensors are called "name/0.weight"
	Initial float32 // what it is filled with before the first round
	// Broadcast blocks go to the participants behind the model, and each update carries a block in return, of which the
	// rule gets the mean: see Renewal.
	Broadcast bool
}

// ServerStep is a round whose updates are all in, as a rule's Step sees it. The blocks have the model's size and do not
// overlap. Arithmetic is float64, rounded once for each number that is stored.
type ServerStep struct {
	Job       *Job
	Weighting Weighting
	Plan      Plan      // of the round
	Answered  []Share   // whose updates are in the mean, ascending by shard: some of the plan's, with its weights
	Start     []float32 // the round's start; only read
	Next      []float32 // holds the mean, and gets the next model
	State     []Renewal // as the rule's State lists them
}

// Renewal is a block of a rule's state before and after a round.
type Renewal struct {
	Old []float32 // only read
	New []float32 // of a broadcast block it holds the mean of what the updates carry, of others the old values
}

// LocalRule is a Rule that asks something of the participants' local work.
type LocalRule interface {
	Rule
	// Local returns local work as the rule needs it, or an error that says what of it does not go with the rule.
	Local(l Local) (Local, error)
}

// Weigher is a Rule that weights updates in a way of its own.
type Weigher interface {
	Rule
	// Weigh returns the weights of a plan's tasks, which add up to at most One.
	Weigh(job *Job, plan Plan, weighting Weighting) []Weight
}

// Combiner is a Rule that puts something else in the mean's place, for which it needs all updates of a round at once: a
// median, or a choice. Step works on what Combine wrote.
type Combiner interface {
	Rule
	// Combine writes what takes the mean's place. It must be a function of the updates that does not depend on their
	// order but through the shards' numbers. It uses memory for as many numbers as it likes of each update at a time,
	// not for whole updates, and returns the first error of Updates.Read.
	Combine(c *Combination) error
	// Least returns how many updates the rule needs in a round.
	Least() int
}

// Combination is what a Combiner works on. Buffers in Next are set to the weighted mean afterwards, whatever it writes.
type Combination struct {
	Layout  *tensor.Layout
	Updates Updates
	Start   []float32 // the round's start; only read
	Next    []float32 // gets what takes the mean's place
}

// Updates are all updates of a round, wherever they are kept.
type Updates interface {
	// Shares returns the updates' shares, ascending by shard. The slice must not be changed.
	Shares() []Share
	// Read copies the elements [offset, offset+len(dst)) of the i-th update, in the order of Shares, to dst.
	Read(dst []float32, i, offset int) error
}

// PreciseRule is a Rule that also works on float64 models, see RunnerIn. It has no state.
type PreciseRule interface {
	Rule
	// StepFloat64 is Step in float64.
	StepFloat64(start, next []float64)
}

// Rules returns every rule with its default parameters. A new rule is one more line here.
func Rules() []Rule {
	return []Rule{
		FedAvg{LR: 1},
		FedAvgM{LR: 1, Beta: 0.9},
		DiLoCo{LR: 0.7, Beta: 0.9},
		SlowMo{LR: 1, Beta: 0.5},
		FedAdagrad{LR: 1, Beta1: 0, Tau: 0.001},
		FedAdam{LR: 1, Beta1: 0.9, Beta2: 0.99, Tau: 0.001},
		FedYogi{LR: 1, Beta1: 0.9, Beta2: 0.99, Tau: 0.001},
		FedNova{LR: 1},
		Scaffold{LR: 1, Option: 2},
		Median{},
		TrimmedMean{Beta: 0.2},
		Krum{F: 1},
		MultiKrum{F: 1},
		GeometricMedian{Iterations: 4, Eps: 1e-5, Tolerance: 1e-6},
		NormClipping{},
		FedBuff{LR: 0.7, Beta: 0.9, Buffer: 10, Exponent: 0.5, After: 1, MaxStaleness: 10},
	}
}
