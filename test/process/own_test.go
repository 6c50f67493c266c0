//go:build linux

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const clinics = "../../examples/clinics"

// ownWorker starts a worker that brings the shards in a folder.
func (c *cluster) ownWorker(t *testing.T, name, shards, data string) *process {
	t.Helper()
	return start(t, name, "worker", "-v", "--coordinator", c.address, "--name", name, "--shards", shards, "--slots", "1",
		"--dir", filepath.Join(c.dir, "workers"), "--data", data)
}

// TestOwnShards: the example, with two workers in two folders, each with files that nobody else has, comes to the hash of
// `fedrelu run`, which has all of them; the run waits until all shards are there. A worker whose files have changed since is
// refused in words, and the run goes on when they are as they were.
func TestOwnShards(t *testing.T) {
	want := undisturbed(t, filepath.Join(clinics, "clinics.yaml"))
	left, right := t.TempDir(), t.TempDir()
	for from, to := range map[string]string{"0": filepath.Join(left, "0"), "1": right, "2": filepath.Join(left, "2")} {
		if err := os.CopyFS(to, os.DirFS(filepath.Join(clinics, from))); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := os.ReadFile(filepath.Join(clinics, "clinics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	specs := t.TempDir() // the coordinator's data: none
	if err := os.WriteFile(filepath.Join(specs, "clinics.yaml"), spec, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, t.TempDir(), specs, 0)
	c.ownWorker(t, "left", "0,2", left)
	run := c.submit(t, "clinics.yaml")
	c.coordinator.await(t, 0, "msg", "phase", "phase", "gather")
	lone := c.ownWorker(t, "right", "1", right)
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Fatalf("the run is %s", status)
	}
	if got := c.show(t, run).model(); got != want {
		t.Errorf("the model is %s, want %s", got, want)
	}

	run = c.submit(t, "clinics.yaml", "rounds=1000000")
	c.coordinator.await(t, 0, "msg", "round committed", "run", run, "round", "3")
	lone.kill()
	file := filepath.Join(right, "train.csv")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(before, "1,2,3,0\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	lone = c.ownWorker(t, "right", "1", right)
	refusal, _ := lone.await(t, 0, "msg", "cannot take part in a run", "run", run)
	if why := refusal.attrs["why"]; !strings.Contains(why, "shard 1 is not what the run began with") || !strings.Contains(why, "61 training examples here, 60 there") {
		t.Errorf("the worker was refused because %s", why)
	}
	lone.kill()
	if err := os.WriteFile(file, before, 0o600); err != nil {
		t.Fatal(err)
	}
	from := c.coordinator.log.count()
	c.ownWorker(t, "right", "1", right)
	c.coordinator.await(t, from, "msg", "round committed", "run", run)
}
