package round

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkRound plays a whole round: every worker trains its tasks one message each, and pushes one sum when told. The
// restricted workers serve an equal part of the shards each, the others all of them.
func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		shards, workers int
		restricted      bool
	}{{1000, 4, false}, {10_000, 8, false}, {10_000, 8, true}, {10_000, 1000, false}, {10_000, 1000, true}} {
		b.Run(fmt.Sprintf("shards=%d/workers=%d/restricted=%t", c.shards, c.workers, c.restricted), func(b *testing.B) {
			steps, said := 0, 0
			for b.Loop() {
				s, a := playRound(b, c.shards, c.workers, c.restricted)
				steps, said = steps+s, said+a
			}
			b.ReportMetric(float64(steps)/float64(b.N), "steps/op")
			b.ReportMetric(float64(said)/float64(b.N), "actions/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
		})
	}
}

// player carries out a machine's actions without any delay.
type player struct {
	m           *Machine
	tasks       [][]int // by session ID
	results     [][]int
	queue       []Action
	steps, said int
}

func playRound(b *testing.B, shards, workers int, restricted bool) (steps, said int) {
	plan := Plan{Round: 1, Invited: make([]int, shards), Policy: Policy{GiveUp: time.Minute}}
	for i := range plan.Invited {
		plan.Invited[i] = i
	}
	m, err := New(plan, epoch)
	if err != nil {
		b.Fatal(err)
	}
	p := &player{m: m, tasks: make([][]int, workers), results: make([][]int, workers)}
	p.join(shards, workers, restricted)
	for !m.Ended() {
		for id := range p.tasks {
			p.work(b, WorkerID(id))
		}
	}
	return p.steps, p.said
}

func (p *player) join(shards, workers int, restricted bool) {
	var joins []Event
	for id := range workers {
		serves := AllShards()
		if restricted {
			serves, _ = NewShardSet(Range{id * shards / workers, (id+1)*shards/workers - 1})
		}
		joins = append(joins, Joined{Worker{ID: WorkerID(id), Name: "w", Slots: 1, Serves: serves}})
	}
	p.step(joins...)
}

func (p *player) work(b *testing.B, id WorkerID) {
	if len(p.tasks[id]) > 0 {
		shard := p.tasks[id][0]
		p.tasks[id] = p.tasks[id][1:]
		p.results[id] = append(p.results[id], shard)
		p.step(Trained{id, []int{shard}})
	}
	for len(p.queue) > 0 {
		flush := p.queue[0].(Flush)
		p.queue = p.queue[1:]
		sum := p.results[flush.ID]
		p.results[flush.ID] = nil
		slices.Sort(sum)
		if err := p.m.Accepts(flush.ID, sum); err != nil {
			b.Fatal(err)
		}
		p.step(Answered{flush.ID, sum})
	}
}

func (p *player) step(events ...Event) {
	p.steps++
	for _, a := range p.m.Step(epoch, events...) {
		p.said++
		switch a := a.(type) {
		case Assign:
			p.tasks[a.ID] = append(p.tasks[a.ID], a.Shards...)
		case Flush:
			p.queue = append(p.queue, a)
		}
	}
}
