package worker

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// endKey names the end of a task; equal keys mean equal bits.
type endKey struct {
	round int
	start tensor.Hash
	shard int
}

// ends keeps the end parameters of measured tasks of the last two rounds. The zero value is empty.
type ends struct {
	blocks map[endKey][]float32
	rounds []endKey // without shards, the older first
}

// put keeps a block.
func (e *ends) put(g *gear, key endKey, block []float32) {
	if e.blocks == nil {
		e.blocks = make(map[endKey][]float32)
	}
	round := endKey{round: key.round, start: key.start}
	if !slices.Contains(e.rounds, round) {
		e.rounds = append(e.rounds, round)
	}
	for len(e.rounds) > 2 {
		e.removeRound(g, e.rounds[0])
		e.rounds = slices.Delete(e.rounds, 0, 1)
	}
	e.remove(g, key)
	e.blocks[key] = block
}

func (e *ends) removeRound(g *gear, round endKey) {
	for key := range e.blocks {
		if key.round == round.round && key.start == round.start {
			e.remove(g, key)
		}
	}
}

func (e *ends) has(key endKey) bool { return e.blocks[key] != nil }

// take hands over a block, nil if it is not there.
func (e *ends) take(key endKey) []float32 {
	block := e.blocks[key]
	delete(e.blocks, key)
	return block
}

func (e *ends) remove(g *gear, key endKey) { g.takeBack(e.take(key)) }

func (e *ends) clear(g *gear) {
	for key := range e.blocks {
		e.remove(g, key)
	}
	e.rounds = nil
}
