//go:build linux

package process

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// largeSpec is a run with the checks that are on by default, every round, of a network whose matrices have a side short enough to be
// measured. Each worker has one shard: single updates take the coordinator more memory than sums.
const largeSpec = `
name: large
rounds: 2
shards: {count: 4}
model: {mlp: {hidden: [%d, %d]}}
local: {epochs: 1, batch: 4}
checks: {rank: {every: 1}}
`

// TestMemoryOfALargeModel: a coordinator with four workers takes less than eight times the model, and nothing larger than
// 4 MiB goes over the wire in one piece.
func TestMemoryOfALargeModel(t *testing.T) {
	features, wide, narrow := 256, 24000, 256 // 12.3 million parameters: what has a size of its own must not count
	if *long {
		features, wide, narrow = 500, 16600, 1000 // 24.9 million
	}
	const workers = 4
	data := t.TempDir()
	writeData(t, data, features, 32, 16)
	writeSpec(t, data, "large.yaml", fmt.Sprintf(largeSpec, wide, narrow))
	model := 4 * int64(wide*features+wide+narrow*wide+narrow+classes*narrow+classes)

	c := newCluster(t, t.TempDir(), data, 0)
	p := newProxy(t, c.address)
	for i := range workers {
		start(t, workerName(i), "worker", "--coordinator", p.address, "--name", workerName(i), "--slots", "1",
			"--dir", filepath.Join(c.dir, "workers"), "--data", data)
		c.coordinator.await(t, 0, "msg", "worker joined", "worker", workerName(i))
	}
	peak := watchPeak(t, c.coordinator)
	run := c.submit(t, "large.yaml")
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Fatalf("the run is %s", status)
	}
	most := peak()
	t.Logf("a model of %.1f MB: the coordinator had at most %.1f MB of anonymous memory, %.2f times the model",
		float64(model)/1e6, float64(most)/1e6, float64(most)/float64(model))
	if most == 0 || most >= 8*model {
		t.Errorf("the peak is %d bytes, want less than %d", most, 8*model)
	}
	t.Logf("%d messages, the largest of %d bytes", p.messages.Load(), p.largest.Load())
	if n := p.largest.Load(); n == 0 || n > 4<<20 {
		t.Errorf("the largest message has %d bytes, want at most 4 MiB", n)
	}
	measured(t, c.show(t, run))
}

// krumSpec is a run of a rule that needs all updates of a round at once.
const krumSpec = `
name: krum
rounds: %d
shards: {count: %d}
model: {mlp: {hidden: [%d, %d]}}
local: {epochs: 1, batch: 4}
server: {krum: {f: 5}}
checks: {rank: {every: 0}}
`

// TestMemoryOfAllUpdates: a rule that needs all updates of a round at once costs the coordinator 64 MiB more than others,
// however many there are; the rest of them waits on the disk.
func TestMemoryOfAllUpdates(t *testing.T) {
	rounds, features, wide, narrow, updates := 1, 256, 8000, 256, 16 // 4.1 million parameters
	if *long {
		rounds, features, wide, narrow, updates = 2, 500, 16600, 1000, 64 // 24.9 million
	}
	data := t.TempDir()
	writeData(t, data, features, updates, 16)
	writeSpec(t, data, "krum.yaml", fmt.Sprintf(krumSpec, rounds, updates, wide, narrow))
	model := 4 * int64(wide*features+wide+narrow*wide+narrow+classes*narrow+classes)
	c := newCluster(t, t.TempDir(), data, 2)
	c.awaitWorkers(t)
	peak := watchPeak(t, c.coordinator)
	run := c.submit(t, "krum.yaml")
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Fatalf("the run is %s", status)
	}
	most, bound := peak(), 8*model+64<<20
	t.Logf("%d updates of %.1f MB: the coordinator had at most %.1f MB of anonymous memory", updates, float64(model)/1e6, float64(most)/1e6)
	if bound >= int64(updates)*model {
		t.Fatal("all updates would fit into the bound")
	}
	if most == 0 || most >= bound {
		t.Errorf("the peak is %d bytes, want less than %d", most, bound)
	}
}

// measured fails the test unless every round was measured in all that is on by default.
func measured(t *testing.T, s shown) {
	t.Helper()
	for _, r := range s.Rounds {
		if r.Drift.DriftRel == nil || len(r.Layers) != 3 {
			t.Errorf("round %d: drift %v, %d layers", r.Round, r.Drift.DriftRel, len(r.Layers))
		}
		for i, l := range r.Layers {
			if l.Rank == nil {
				t.Errorf("round %d: layer %d has no rank", r.Round, i)
			}
		}
	}
}

// watchPeak watches a process and returns what stops that and returns the most anonymous memory that was seen.
func watchPeak(t *testing.T, p *process) func() int64 {
	var most int64
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, p.anonymous())
			case <-stop:
				return
			}
		}
	})
	end := sync.OnceValue(func() int64 {
		close(stop)
		watch.Wait()
		return most
	})
	t.Cleanup(func() { end() })
	return end
}
