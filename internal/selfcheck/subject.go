package selfcheck

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// What is left of a job.
const (
	maxShards      = 4 // more where the rule needs them
	maxExamples    = 48
	leastExamples  = 4
	maxEpochs      = 2
	maxSteps       = 3
	maxTested      = 500
	maxRounds      = 4
	roundBudget    = 5e8 // floating point operations of a round's tasks; a kernel in Go does some 1e9 a second
	perExample     = 6   // operations for each use of a parameter: forward, and backward twice
	leastShards    = 2
	expensiveRound = 4 // times the budget, from where on there is a single epoch
)

// Subject is a job and an algorithm, small enough to be checked in seconds.
type Subject struct {
	Cut []string // what was cut down, a line each

	job       *localsgd.Job // the first participants of the first round, few of their examples, few steps
	test      *shard.Set    // to evaluate on
	algorithm localsgd.Algorithm
	partial   localsgd.Participation // of rounds in which not every shard takes part, if the run has such rounds
	cost      float64                // operations of an example's forward and backward pass
	full      int                    // shards of the job as it was
}

// Cut makes a subject of a job and an algorithm that have passed their checks. The job needs its training set.
func Cut(job *localsgd.Job, a localsgd.Algorithm) (*Subject, error) {
	s := &Subject{algorithm: a, full: len(job.Shards), cost: costOf(job)}
	small := *job
	s.job = &small
	s.cutShards(a)
	s.cutBuffer()
	s.cutLocal()
	s.cutTest()
	s.note(a.Simulation != (localsgd.Simulation{}), "the simulated clock: left out")
	s.algorithm.Participation, s.algorithm.Simulation = localsgd.Participation{}, localsgd.Simulation{}
	if err := s.job.Check(); err != nil {
		return nil, fmt.Errorf("cutting the job down: %w", err)
	}
	if err := s.algorithm.Check(s.job); err != nil {
		return nil, fmt.Errorf("cutting the job down: %w", err)
	}
	return s, nil
}

// costOf returns the operations of one example's forward and backward pass.
func costOf(job *localsgd.Job) float64 {
	sum := 0
	layout := job.Net.Layout()
	for i := range layout.Len() {
		sum += layout.At(i).Size * job.Net.Positions(i)
	}
	return perExample * float64(max(1, sum))
}

// cutShards keeps some shards, participants of the first round first, and some examples of each.
func (s *Subject) cutShards(a localsgd.Algorithm) {
	count, least := maxShards, leastOf(a.Rule)
	if s.cost*leastExamples*maxShards > roundBudget {
		count = leastShards
	}
	count = min(max(count, least), s.full)
	chosen := a.Plan(s.job, 1).Shards()
	for k := 0; len(chosen) < count; k++ {
		if !slices.Contains(chosen, k) {
			chosen = append(chosen, k)
		}
	}
	chosen = chosen[:count]
	slices.Sort(chosen)
	if size := a.Participation.Size(s.full); size < s.full {
		s.partial = a.Participation
		s.partial.Count = max(least, (count+1)/2)
	}
	s.note(count < s.full, "shards: %d of %d (%v)", count, s.full, chosen)
	limit := int(min(maxExamples, max(leastExamples, roundBudget/(s.cost*float64(count)))))
	shards, cut := make(shard.Shards, count), 0
	for i, k := range chosen {
		all := s.job.Shards[k]
		cut = max(cut, len(all)-limit)
		if len(all) > limit {
			all = shard.Probe(s.job.Seed, k, all, limit-i%2) // of two sizes, as shards are
			slices.Sort(all)
		}
		shards[i] = all
	}
	s.note(cut > 0, "examples of a shard: at most %d", limit)
	s.job.Shards = shards
}

// leastOf returns how many updates a rule needs in a round.
func leastOf(rule localsgd.Rule) int {
	if r, is := rule.(interface{ Least() int }); is {
		return r.Least()
	}
	return 1
}

// cutLocal keeps some steps of a task.
func (s *Subject) cutLocal() {
	schedule := &s.job.Local.Schedule
	smallest, total := len(s.job.Shards[0]), 0
	for _, examples := range s.job.Shards {
		smallest, total = min(smallest, len(examples)), total+len(examples)
	}
	epochs := maxEpochs
	if float64(total)*s.cost*maxEpochs > expensiveRound*roundBudget {
		epochs = 1
	}
	if batch := max(2, smallest/2); schedule.Batch > batch {
		s.note(true, "batch: %d instead of %d", batch, schedule.Batch)
		schedule.Batch = batch
	}
	if schedule.Epochs > epochs {
		s.note(true, "epochs: %d instead of %d", epochs, schedule.Epochs)
		schedule.Epochs = epochs
	}
	if schedule.Steps > maxSteps {
		s.note(true, "steps: %d instead of %d", maxSteps, schedule.Steps)
		schedule.Steps = maxSteps
	}
	s.job.Local.PostLocal = min(s.job.Local.PostLocal, 1)
	s.note(true, "rounds: at most %d", maxRounds)
}

// cutTest keeps some of the test set, or of the training set where there is none.
func (s *Subject) cutTest() {
	set, name := s.job.Data.Test, "test"
	if set == nil || !set.HasFeatures() {
		set, name = s.job.Data.Train, "training"
	}
	n := min(set.Len(), int(min(maxTested, max(leastExamples, perExample/2*roundBudget/s.cost))))
	s.note(n < set.Len(), "evaluation: the first %d of the %d %s examples", n, set.Len(), name)
	s.test = first(set, n)
}

// first returns the first n examples of a set.
func first(set *shard.Set, n int) *shard.Set {
	part := *set
	part.N = n // arrays may be longer: examples are looked up by index
	return &part
}

func (s *Subject) note(cut bool, format string, args ...any) {
	if cut {
		s.Cut = append(s.Cut, fmt.Sprintf(format, args...))
	}
}

// setting is the spec's own, with everyone taking part.
func (s *Subject) setting() *setting { return &setting{s.job, s.algorithm} }

// plain is FedAvg over other local work and shards, weighted by examples.
func (s *Subject) plain(change func(job *localsgd.Job)) (*setting, error) {
	job := *s.job
	job.Local.Controls = 0
	change(&job)
	p := &setting{&job, localsgd.Algorithm{Rule: localsgd.FedAvg{LR: 1}}}
	if err := job.Check(); err != nil {
		return nil, fmt.Errorf("preparing the check: %w", err)
	}
	return p, nil
}

// underFedAvg notes that a property was not measured with the spec's own rule.
func (s *Subject) underFedAvg(detail string) string {
	if s.algorithm.Rule == (localsgd.FedAvg{LR: 1}) && s.algorithm.Weighting == localsgd.ByExamples {
		return detail
	}
	return detail + "; of the local work, under fedavg weighted by examples"
}
