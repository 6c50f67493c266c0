//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// deadline is far above what the test takes (about a minute on two cores): it ends what would never end.
const deadline = 5 * time.Minute

// TestDisturbedClusterGivesTheSameModel: one worker is killed and stays away, one is paused until others had to take its
// shards, the coordinator is killed and started again; the model is that of an undisturbed run, and no round is lost.
func TestDisturbedClusterGivesTheSameModel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	want := undisturbed(ctx, t)
	c := newCluster(ctx, t)
	c.compose("up", "-d", "--scale", "worker=4")
	coordinator, workers := c.containers("coordinator")[0], c.containers("worker")
	if len(workers) != 4 {
		t.Fatalf("%d workers, want 4", len(workers))
	}

	id := strings.TrimSpace(c.compose("run", "--rm", "-T", "submit", "/specs/spec.yaml"))
	atRound := func(n int) func(run) bool {
		return func(r run) bool { return r.Status == "running" && r.last() >= n }
	}
	c.until(coordinator, id, "round 3, to kill a worker and pause another", atRound(3))
	c.must("docker", "kill", workers[0])
	c.must("docker", "pause", workers[1])
	r := c.until(coordinator, id, "round 8, to kill the coordinator", atRound(8))
	c.must("docker", "kill", coordinator)
	if state := c.state(coordinator); state != "exited" {
		t.Fatalf("the killed coordinator is %s", state)
	}
	committed := r.Rounds
	c.must("docker", "start", coordinator)
	c.until(coordinator, id, "three more rounds, to let the paused worker go on", atRound(r.last()+3))
	c.must("docker", "unpause", workers[1])
	r = c.until(coordinator, id, "the end", func(r run) bool { return r.Status == "completed" })

	if len(r.Rounds) < len(committed) || !slices.Equal(r.Rounds[:len(committed)], committed) {
		t.Errorf("committed before the kill:\n%v\nand after:\n%v", committed, r.Rounds)
	}
	if got := r.Rounds[len(r.Rounds)-1]; got.Round != want.Rounds || got.Model != want.Model {
		t.Errorf("round %d, model %s; undisturbed: round %d, model %s", got.Round, got.Model, want.Rounds, want.Model)
	}
	if state := c.state(workers[0]); state != "exited" {
		t.Errorf("the killed worker is %s: it was to stay away", state)
	}
	c.compose("stop", "coordinator")
	c.compose("run", "--rm", "-T", "coordinator", "verify", "/data")
}

// result is what this test reads of `run --json`.
type result struct {
	Status string
	Rounds int
	Model  string `json:"model_sha256"`
}

// undisturbed runs the spec on this machine.
func undisturbed(ctx context.Context, t *testing.T) result {
	t.Helper()
	out, err := output(ctx, "bin/fedrelu", "run", "test/compose/spec.yaml", "--workers", "2", "--dir", t.TempDir(), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("reading %q: %v", out, err)
	}
	if r.Status != "completed" || len(r.Model) != 64 {
		t.Fatalf("the undisturbed run: %+v", r)
	}
	return r
}
