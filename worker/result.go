package worker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// result is an update, or the exact sum of several, which counts whole.
type result struct {
	round *round
	gear  *gear
	sum   *localsgd.Sum // with the slot of adding, or with the pusher while out
	alone bool          // holds one update and takes no more

	tasks   []wire.PushedTask // what is in the sum, ascending by shard
	trained time.Duration     // spent on it
	adding  *attempt          // being added now
	out     bool              // with the pusher
	cancel  context.CancelFunc

	wanted  bool // is to be pushed as soon as it can be
	offered bool // was named in this session's RunReady
	acked   bool // was acknowledged once
	void    bool // is dropped as soon as nobody uses it
}

func (res *result) shards() []int {
	all := make([]int, len(res.tasks))
	for i := range res.tasks {
		all[i] = res.tasks[i].Shard
	}
	return all
}

func (res *result) hasAny(shards map[int]bool) bool {
	if res.adding != nil && shards[res.adding.Shard] {
		return true
	}
	return slices.ContainsFunc(res.tasks, func(t wire.PushedTask) bool { return shards[t.Shard] })
}

func (res *result) note(at *attempt) {
	res.take([]wire.PushedTask{{
		Share: localsgd.Share{Shard: at.Shard, Weight: at.Weight}, Facts: at.facts, Train: at.took, State: at.made,
	}})
	res.trained += at.took
}

func (res *result) take(tasks []wire.PushedTask) {
	res.tasks = append(res.tasks, tasks...)
	slices.SortFunc(res.tasks, func(a, b wire.PushedTask) int { return cmp.Compare(a.Shard, b.Shard) })
}

// receiver returns the result that takes the attempt's update now, or nil while there is none.
func (a *agent) receiver(r *round, at *attempt) *result {
	fresh := &result{round: r, gear: at.gear, alone: !at.sum}
	switch {
	case !at.sum && a.run.alone() > len(a.slots):
		return nil
	case !at.sum:
		r.alone++
		fresh.sum = at.gear.sum(at.start.grid)
		return fresh
	case r.pending == nil:
		fresh.sum = at.gear.sum(at.start.grid)
		r.pending = fresh
	case r.pending.adding != nil:
		return nil
	}
	return r.pending
}

// drop makes a result void and, once nobody uses it, its sum available again. It may be called twice.
func (a *agent) drop(res *result) {
	res.void = true
	if res.cancel != nil {
		res.cancel()
	}
	if res.adding != nil || res.out || res.sum == nil {
		return
	}
	if res.alone {
		res.round.alone--
	}
	res.gear.takeBackSum(res.sum)
	res.sum = nil
}

// payload writes the result's byte form: of an update as it lies there, of a sum piece by piece.
func (res *result) payload(w io.Writer) error {
	if err := res.writeUpdate(w); err != nil {
		return err
	}
	return res.writeStates(w)
}

func (res *result) writeUpdate(w io.Writer) error {
	block := res.sum.Single()
	if block == nil {
		_, err := res.sum.WriteTo(w)
		return err
	}
	for part := range tensor.Chunks(block, wire.ChunkBytes) {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("writing an update: %w", err)
		}
	}
	return nil
}

// header returns the push's header but for session and checksum.
func (res *result) header() *wire.Push {
	grid := res.sum.Grid()
	p := &wire.Push{
		Key: res.round.Key, Start: res.round.start, Layout: grid.Layout().Fingerprint(),
		Tasks: slices.Clone(res.tasks), Bytes: grid.UpdateBytes(),
	}
	if len(p.Tasks) > 1 {
		p.Sum, p.Quanta, p.Bytes = true, grid.Quanta(), grid.SumBytes()
	}
	p.Bytes += res.gear.stateBytes(len(p.Tasks))
	return p
}

func (res *result) hash() (tensor.Hash, error) {
	h := sha256.New()
	err := res.payload(h)
	return tensor.Hash(h.Sum(nil)), err
}
