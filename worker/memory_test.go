package worker_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// TestMemoryDoesNotGrowWithRounds runs rounds with everything in them, and compares the heap.
func TestMemoryDoesNotGrowWithRounds(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand rounds")
	}
	text := strings.Replace(defaultSpec, "hidden: [8]", "hidden: [200]", 1)
	s, c, session := begin(t, strings.Replace(text, "steps: 4", "steps: 1", 1))
	models := [][]float32{s.model(1), s.model(2)}
	var early uint64
	for round := 1; round <= 1000; round++ {
		start, next := models[round%2], models[(round+1)%2]
		start[0] = float32(round) // another model each round
		next[0] = float32(round + 1)
		wholeRound(c, session, s, round, start, next)
		c.forget(hashOf(start))
		if round == 100 {
			early = heap()
		}
	}
	// One lost block a round would be 900 x 8 kB.
	if late := heap(); late > early+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes between rounds 100 and 1000", early, late)
	}
}

// TestMemoryIsWhatIsSaid compares what a worker holds after rounds with everything in them with the formula of the package's
// documentation. Blocks and sums are used again and again, so that what is held in the end is the most that ever was.
func TestMemoryIsWhatIsSaid(t *testing.T) {
	const slots, measured = 2, 2
	text := strings.Replace(defaultSpec, "hidden: [8]", "hidden: [900, 900]", 1)
	text = strings.Replace(text, "steps: 4", "steps: 1", 1)
	s := newSetup(t, text)
	c := newCoordinator(t)
	models := [][]float32{s.model(1), s.model(2)}
	before := heap()
	w := run(t, s.config(c))
	session := c.open(s, 1)
	for round := 1; round <= 4; round++ {
		start, next := models[round%2], models[(round+1)%2]
		start[0], next[0] = float32(round), float32(round+1)
		wholeRound(c, session, s, round, start, next)
		c.forget(hashOf(start))
	}
	full := heap()
	w.stop()
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	before = min(before, heap()) // what tests before this one held may go only now
	got := float64(full) - float64(before)
	runtime.KeepAlive(models)
	p := float64(4 * s.job.Net.Parameters())
	said := p*(slots+4+2*measured+2) + 3*(p+2*p) // nearly all of it matrices
	// A trainer's and the measurer's machine hold a copy of the parameters each, and velocities with momentum; what the
	// batches take is little.
	said += slots*2*p + p
	t.Logf("%.1f models of %.1f MB, %.2f of what is said", got/p, p/1e6, got/said)
	if got > 1.05*said || got < said/3 {
		t.Errorf("the worker holds %.0f bytes, the formula says %.0f", got, said)
	}
}

// wholeRound makes a round in which two shards are measured, one of them from the round's start, and one is abandoned.
func wholeRound(c *coordinator, session *session, s *setup, round int, start, next []float32) {
	c.t.Helper()
	a := s.assign(round, c.serve(start), 0, 1, 2, 3)
	a.Tasks[0].Measured, a.Tasks[1].Measured = true, true // that of shard 1 is never asked for
	session.say(a)
	session.hearTrained(0, 1, 2, 3)
	session.say(wire.Flush{Key: s.key(round)})
	c.push(0, 1, 2, 3).reply(wire.Counted, "")
	session.say(s.assign(round, hashOf(start), 4, 5))
	session.hearTrained(4, 5)
	session.say(wire.Abandon{Key: s.key(round), Shards: []int{4}})
	hear[wire.Dropped](session)
	session.say(wire.Measure{Key: s.key(round), Shards: []int{0, 6}, Start: hashOf(start), Model: c.serve(next), Probe: 2})
	hear[wire.DriftSample](session)
	hear[wire.DriftSample](session)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
