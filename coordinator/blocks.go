package coordinator

import (
	"fmt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// hashes name the parts of a block of what is stored: see localsgd.Algorithm.
type hashes struct {
	model  tensor.Hash
	travel tensor.Hash // of the model and what the rule broadcasts; that of the model if this is nothing
	state  tensor.Hash // of all that the rule remembers; zero: nothing
}

func (o *owner) hashes(block []float32) hashes {
	n, travel := o.job.Net.Parameters(), o.job.Layout().Size()
	h := hashes{model: tensor.HashBlock(block[:n])}
	h.travel = h.model
	if travel > n {
		h.travel = tensor.HashBlock(block[:travel])
	}
	if len(block) > n {
		h.state = tensor.HashBlock(block[n:])
	}
	return h
}

// block returns a block for what is stored.
func (o *owner) block() []float32 { return o.c.models.block(o.algorithm.Layout(o.job).Size()) }

// model returns the part of a stored block that is the model.
func (o *owner) model(block []float32) []float32 { return block[:o.job.Net.Parameters()] }

// publish makes a block the start of the next round.
func (o *owner) publish(block []float32, h hashes) {
	next := o.offered // it was published to be scored
	if next == nil {
		next = o.c.models.publish(h.travel, block, o.job.Layout().Size())
	}
	if o.start != nil {
		o.start.release()
	}
	o.start, o.offered = next, nil
}

// read reads what was stored after a round.
func (o *owner) read(r record.Round) ([]float32, error) {
	block := o.block()
	n := o.job.Net.Parameters()
	if err := o.c.store.ReadModel(o.run.ID, r.Model, block[:n]); err != nil {
		return nil, err
	}
	if len(block) == n {
		return block, nil
	}
	if err := o.c.store.ReadModel(o.run.ID, r.RuleState, block[n:]); err != nil {
		return nil, fmt.Errorf("reading what the rule remembers: %w", err)
	}
	return block, nil
}

// writeState writes what the rule remembers ahead of the round that it belongs to.
func (o *owner) writeState(block []float32, h hashes) error {
	if h.state.IsZero() {
		return nil
	}
	return o.c.store.WriteModel(o.run.ID, h.state, block[o.job.Net.Parameters():])
}
