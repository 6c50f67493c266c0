package localsgd

import (
	"container/heap"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Timeline is a simulated clock for Asynchronous rules: which updates come in when, as a function of the job's seed alone.
// So many shards as take part in a round train at any time (Participation.Size). When one has ended another takes its place,
// drawn by key among those that do not train and have not trained from the newest model yet; an update that has become too
// old is dropped, and its shard begins anew at once. One that knows nothing but seed, rule and sizes draws the same again.
type Timeline struct {
	job       *Job
	speed     Speed
	buffer    int
	oldest    int
	training  arrivals
	slots     int   // that train nothing, for want of a shard
	trained   []int // by shard: the newest version it has begun from, -1: none
	busy      []bool
	begun     uint64 // tasks so far
	version   int
	collected []Arrival
	dropped   []Arrival
}

// NewTimeline returns the timeline of a run from its start. The algorithm must have passed Check, its rule be Asynchronous.
func NewTimeline(job *Job, a Algorithm) *Timeline {
	rule := a.Rule.(Asynchronous)
	t := &Timeline{
		job: job, speed: a.Simulation.Speed, buffer: rule.Capacity(), oldest: rule.Oldest(), slots: a.Participation.Size(len(job.Shards)),
		trained: make([]int, len(job.Shards)), busy: make([]bool, len(job.Shards)),
	}
	for k := range t.trained {
		t.trained[k] = -1
	}
	t.fill(0)
	return t
}

// Next returns the updates that make the next round, in the order in which they come in, and those that were dropped
// meanwhile.
func (t *Timeline) Next() (counted, dropped []Arrival) {
	t.collected, t.dropped = nil, nil
	for len(t.collected) < t.buffer {
		e := heap.Pop(&t.training).(arrival)
		t.busy[e.Shard] = false
		if t.version-e.Version > t.oldest {
			t.dropped = append(t.dropped, e.Arrival)
			t.start(e.Shard, e.at)
			continue
		}
		t.collected = append(t.collected, e.Arrival)
		t.slots++
		if len(t.collected) == t.buffer {
			t.version++
		}
		t.fill(e.at)
	}
	return t.collected, t.dropped
}

// fill gives shards to the slots that have none.
func (t *Timeline) fill(now uint64) {
	for t.slots > 0 {
		var idle []int
		for k, busy := range t.busy {
			if !busy && t.trained[k] < t.version {
				idle = append(idle, k)
			}
		}
		if len(idle) == 0 {
			return
		}
		t.slots--
		t.start(idle[keyed.New(t.job.Seed, "async shard", t.begun).Below(len(idle))], now)
	}
}

func (t *Timeline) start(k int, now uint64) {
	a := Arrival{t.version, k}
	t.busy[k], t.trained[k] = true, t.version
	heap.Push(&t.training, arrival{a, now + t.duration(a.Task()), t.begun})
	t.begun++
}

// ticks is a unit of simulated time, in which a shard of speed 1 makes a step or so; the longest task takes longest of them.
const (
	ticks   = 1 << 20
	longest = 1 << 40
)

// duration returns how long a task trains in simulated time: its steps at the shard's speed, times a half-normal draw, which
// is how Nguyen et al. 2022 found devices to behave.
func (t *Timeline) duration(task Task) uint64 {
	draw := math.Abs(keyed.New(t.job.Seed, "async duration", uint64(task.Round), uint64(task.Shard)).Normal())
	return 1 + uint64(min(longest, float64(t.job.Steps(task))*draw/t.speed.of(t.job.Seed, task.Shard)*ticks))
}

// arrival is an update on its way; of two at the same time the one that was begun first comes first.
type arrival struct {
	Arrival
	at, begun uint64
}

// arrivals is a heap of them.
type arrivals []arrival

func (h arrivals) Len() int { return len(h) }
func (h arrivals) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].begun < h[j].begun
}
func (h arrivals) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *arrivals) Push(x any)   { *h = append(*h, x.(arrival)) }
func (h *arrivals) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = slices.Delete(*h, last, last+1)
	return x
}
