package localsgd

import (
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Buffers are running statistics: part of a model's block, but no parameters.

// buffersOf returns the values of a block's buffers, one after the other.
func buffersOf[F kernel.Float](layout *tensor.Layout, block []F) (values []F) {
	for i := range layout.Len() {
		if v := layout.At(i); v.Buffer {
			values = append(values, tensor.Of(block, v)...)
		}
	}
	return values
}

// putBuffers is the inverse of buffersOf.
func putBuffers[F kernel.Float](layout *tensor.Layout, block, values []F) {
	for i := range layout.Len() {
		if v := layout.At(i); v.Buffer {
			values = values[copy(tensor.Of(block, v), values):]
		}
	}
}

func clearBuffers[F kernel.Float](layout *tensor.Layout, block []F) {
	for i := range layout.Len() {
		if v := layout.At(i); v.Buffer {
			clear(tensor.Of(block, v))
		}
	}
}

// meanBuffers sets the buffers of a combination to the exact weighted mean.
func meanBuffers(c *Combination) error {
	grid := NewGrid(c.Layout, c.Start)
	for i := range grid.tensors {
		if t := &grid.tensors[i]; t.Buffer {
			if err := t.meanOf(c.Updates, tensor.Of(c.Next, t.View)); err != nil {
				return err
			}
		}
	}
	return nil
}

// meanOf writes the mean of one tensor of all updates to dst.
func (t *gridTensor) meanOf(updates Updates, dst []float32) error {
	words, values := make([]uint64, t.words()), make([]float32, t.Size)
	var total Weight
	for i, share := range updates.Shares() {
		if err := updates.Read(values, i, t.Offset); err != nil {
			return err
		}
		t.addValues(words, share.Weight, values)
		total += share.Weight
	}
	if len(updates.Shares()) == 1 {
		copy(dst, values)
		return nil
	}
	t.mean(dst, words, total)
	return nil
}
