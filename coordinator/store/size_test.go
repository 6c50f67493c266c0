package store

import (
	"runtime"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// BenchmarkCommitRound commits rounds of McMahan's 2NN (199,210 values) and of 25 million values.
func BenchmarkCommitRound(b *testing.B) {
	for name, size := range map[string]int{"2NN": 199_210, "25M": 25_000_000} {
		b.Run(name, func(b *testing.B) {
			s := openStore(b, b.TempDir())
			check(b, s.CreateRun(newRun("run1", record.Keep{Last: 3, Best: true})))
			model := block(0, size)
			start := tensor.Hash{}
			b.SetBytes(int64(4 * size))
			n := 0
			for b.Loop() {
				model[0] = float32(n)
				round := newRound(n, tensor.HashBlock(model), start)
				_, err := s.CommitRound("run1", round, model)
				check(b, err)
				start = round.Model
				n++
			}
		})
	}
}

// peakHeap watches how much memory the heap takes at most while fn runs, beyond what it takes before.
func peakHeap(fn func()) uint64 {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	peak, stop, done := uint64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc {
				peak = max(peak, now.HeapAlloc-before.HeapAlloc)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return peak
}

// A model of 100 MB is written and read without another copy of it in memory. Writing takes bbolt's pages of one group of
// chunks (4 MiB) and those of earlier groups until they are collected (16 MiB, and what comes while that goes on).
func TestALargeModelIsNeverHeldTwice(t *testing.T) {
	const size = 25_000_000
	s, _ := storeWith(t, "run1")
	model, back := block(0, size), make([]float32, size)
	hash := tensor.HashBlock(model)
	wrote := peakHeap(func() {
		_, err := s.CommitRound("run1", newRound(0, hash, tensor.Hash{}), model)
		check(t, err)
	})
	read := peakHeap(func() { check(t, s.ReadModel("run1", hash, back)) })
	t.Logf("writing took %d KiB beyond the block, reading %d KiB", wrote>>10, read>>10)
	if wrote > 32<<20 || read > 4<<20 {
		t.Errorf("writing took %d bytes, reading %d", wrote, read)
	}
	if tensor.HashBlock(back) != hash {
		t.Error("another model was read")
	}
}
