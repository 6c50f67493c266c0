package coordinator

import (
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// A rule that needs all updates asks for each alone, and takes no sum of them.
func TestSumsAreRefusedWhereUpdatesAreNeeded(t *testing.T) {
	s := parse(t, 2, "server: {krum: {f: 0}}")
	b := start(t, Config{})
	verdict := make(chan wire.PushReply, 1)
	b.join("only", s, func(w *hand) {
		first := true
		w.onAssign = func(m wire.Assign) bool {
			if m.Sum {
				t.Error("sums are asked for")
			}
			if !first {
				return true
			}
			first = false
			other := wire.Task{Shard: (m.Tasks[0].Shard + 1) % 4, Weight: m.Tasks[0].Weight}
			reply, err := w.pushSum(m, ascending([]wire.Task{m.Tasks[0], other}))
			if err != nil {
				t.Error(err)
			}
			verdict <- reply
			return true
		}
	})
	b.join("other", s, nil)
	run, rounds := b.wait(b.submit(s))
	if r := <-verdict; r.Verdict != wire.Refused || !strings.Contains(r.Reason, "krum needs each update alone") {
		t.Errorf("the sum: %v %q", r.Verdict, r.Reason)
	}
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}

// A round that ends with too few updates for its rule fails the run in words.
func TestTooFewUpdatesFailTheRun(t *testing.T) {
	s := parse(t, 2, "server: {krum: {f: 0}}\non_divergence: continue")
	b := start(t, Config{})
	b.join("only", s, func(w *hand) {
		w.onAssign = func(m wire.Assign) bool {
			for _, task := range m.Tasks {
				if task.Shard < 2 {
					w.b.Deliver(w.s, wire.Diverged{Key: m.Key, Shard: task.Shard, Step: 1, Detail: "as the test wants it"})
					continue
				}
				end, facts := w.train(m, task.Shard)
				w.push(m, task, localsgd.Blocks{End: end}, facts)
			}
			return false
		}
	})
	run, _ := b.wait(b.submit(s))
	if run.Status != record.Failed || !strings.Contains(run.Reason, "round 1 cannot be finished: too few updates: krum needs 3, there are 2") {
		t.Errorf("%v: %s", run.Status, run.Reason)
	}
}
