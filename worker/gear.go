package worker

import (
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/worker/store"
)

// gear is a job with the memory that serves it: blocks of the size of what travels and sums, used again and again. What comes back
// late goes to the gear that it came from, whatever the run is by then.
type gear struct {
	spec      *spec.Spec
	job       *localsgd.Job
	algorithm localsgd.Algorithm
	states    *store.Store // of shards; nil where they have none
	size      int          // of a shard's state; 0: none
	travels   bool         // states go to the coordinator with the updates
	blocks    [][]float32
	sums      []*localsgd.Sum
	meter     *study.DriftMeter // with the slot that measures while run.measuring is set; for probes of the size below
	probe     int
}

func newGear(s *spec.Spec, job *localsgd.Job, states *store.Store) *gear {
	return &gear{
		spec: s, job: job, algorithm: workload.Algorithm(s),
		states: states, size: job.ShardState().Size(), travels: workload.StatesTravel(s, job),
	}
}

// block returns a block of undefined content.
func (g *gear) block() []float32 {
	if n := len(g.blocks); n > 0 {
		b := g.blocks[n-1]
		g.blocks = g.blocks[:n-1]
		return b
	}
	return make([]float32, g.job.Layout().Size())
}

// takeBack makes a block available again. There are never more blocks than were in use at one time.
func (g *gear) takeBack(block []float32) {
	if block != nil {
		g.blocks = append(g.blocks, block)
	}
}

// sum returns an empty sum on a grid of the job.
func (g *gear) sum(grid *localsgd.Grid) *localsgd.Sum {
	if n := len(g.sums); n > 0 {
		s := g.sums[n-1]
		g.sums = g.sums[:n-1]
		s.Reset(grid)
		return s
	}
	return localsgd.NewSum(grid)
}

func (g *gear) takeBackSum(s *localsgd.Sum) {
	g.sums = append(g.sums, s)
}
