package selfcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// kernelsProperty trains the first round with every kernel of this machine, parallelProperty with a goroutine for each task
// and one after the other.
var (
	kernelsProperty = property{
		name:     "every kernel trains alike",
		expected: exactly,
		reason:   func(*Subject) string { return when(len(kernel.Available()) == 1, "this machine has one kernel") },
		measure:  measureKernels,
	}
	parallelProperty = property{
		name:     "serial is parallel",
		expected: exactly,
		measure:  measureParallel,
	}
)

func measureKernels(ctx context.Context, s *Subject, c *code) (f finding, err error) {
	before := kernel.InUse()
	defer func() { err = errors.Join(err, kernel.Use(before)) }()
	o := c.open(s.setting())
	all := kernel.Available()
	if s.expensive() {
		o.plan.Tasks = o.plan.Tasks[:1]
	}
	var first string
	var others []string
	for i, name := range all {
		if err := kernel.Use(name); err != nil {
			return f, err
		}
		updates, err := c.trainAll(ctx, o)
		if err != nil {
			return f, err
		}
		switch hash := hashOf(updates); {
		case i == 0:
			first = hash
		case hash != first:
			others = append(others, name)
		}
	}
	f = finding{measured: "the same bits", holds: len(others) == 0, detail: fmt.Sprintf("%s with %s", plural(len(o.plan.Tasks), "task"), strings.Join(all, ", "))}
	if !f.holds {
		f.measured = fmt.Sprintf("%s differs from %s", strings.Join(others, ", "), all[0])
	}
	return f, nil
}

// expensive tells whether a task alone takes long in plain Go.
func (s *Subject) expensive() bool {
	return s.cost*float64(len(s.job.Shards[0])) > roundBudget
}

// hashOf returns the hashes of all updates.
func hashOf(updates []update) string {
	var all strings.Builder
	for _, u := range updates {
		all.WriteString(tensor.HashBlock(u.end).String())
	}
	return all.String()
}

func measureParallel(ctx context.Context, s *Subject, c *code) (finding, error) {
	o := c.open(s.setting())
	serial, err := c.trainAll(ctx, o)
	if err != nil {
		return finding{}, err
	}
	const times = 2 // every task twice, so that a single shard has company too
	parallel := make([]update, times*len(o.plan.Tasks))
	failures := make([]error, len(parallel))
	var running sync.WaitGroup
	for i := range parallel {
		running.Go(func() {
			parallel[i], failures[i] = c.train(ctx, localsgd.NewTrainer(o.job), o, i%len(o.plan.Tasks))
		})
	}
	running.Wait()
	if err := errors.Join(failures...); err != nil {
		return finding{}, err
	}
	others := 0
	for i, u := range parallel {
		if tensor.HashBlock(u.end) != tensor.HashBlock(serial[i%len(serial)].end) {
			others++
		}
	}
	f := finding{measured: "the same bits", holds: others == 0, detail: fmt.Sprintf("%s twice, %d goroutines", plural(len(serial), "task"), len(parallel))}
	if others > 0 {
		f.measured = fmt.Sprintf("%d of %d updates differ", others, len(parallel))
	}
	return f, nil
}
