package fedrelutest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedrelu/fedrelu/fedrelutest"
)

// buffered is an asynchronous run in which shards wait for their turn, updates are stale, and some become too old.
const buffered = `
name: buffered
seed: 7
rounds: 12
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 12, partition: {dirichlet: {alpha: 0.5}}}
model: {mlp: {hidden: [16, 8]}}
local: {epochs: 2, batch: 7, optimizer: {sgd: {lr: 0.05, momentum: 0.9}}}
participation: {count: 8}
server: {fedbuff: {buffer: 3, max_staleness: 2}}
`

// TestAsynchronousRunsAreTheReplayOfTheirRecord: whatever comes in whenever, the order that a run has recorded gives its models
// again, without network and store.
func TestAsynchronousRunsAreTheReplayOfTheirRecord(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	orders := make(map[string]bool)
	stale, discarded := 0, 0
	for _, workers := range []int{1, 2, 5} {
		for _, slots := range []int{1, 3} {
			for _, d := range []delays{{}, {1, 3 * time.Millisecond}, {2, 200 * time.Millisecond}, {3, time.Second}} {
				t.Run(fmt.Sprintf("workers=%d slots=%d delays=%v", workers, slots, d), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
					synctest.Test(t, func(t *testing.T) {
						t.Cleanup(func() { <-time.After(time.Minute) }) // connections that were closed end in their own time
						run := fedrelutest.Start(t, buffered, workers, fedrelutest.Data(dir), fedrelutest.Slots(slots), fedrelutest.Connections(d.wrap()))
						got := run.Wait()
						if got.Status != "completed" || len(got.Rounds) != 12 {
							t.Fatalf("%s (%s) after %d rounds", got.Status, got.Reason, len(got.Rounds))
						}
						if err := run.Replay(dir); err != nil {
							t.Error(err)
						}
						var order strings.Builder
						for _, r := range got.Rounds {
							fmt.Fprintln(&order, r.Arrivals)
							for _, a := range r.Arrivals {
								if a.Start < r.Number-1 {
									stale++
								}
							}
							discarded += r.Discarded
						}
						orders[order.String()] = true
					})
				})
			}
		}
	}
	t.Logf("%d orders, %d stale updates, %d discarded", len(orders), stale, discarded)
	if len(orders) < 12 || stale == 0 || discarded == 0 {
		t.Errorf("%d orders of arrival, %d stale updates, %d discarded: want at least 12, and some of both", len(orders), stale, discarded)
	}
}
