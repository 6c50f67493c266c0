//go:build linux

package process

import (
	"syscall"
	"testing"
	"time"
)

// TestPausedWorker: a worker that stands still is missed within seconds, others do its tasks, and when it goes on it is
// welcome again.
func TestPausedWorker(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 4096, 64, 32)
	want := undisturbed(t, writeSpec(t, data, "kill.yaml", killSpec))
	c := newCluster(t, t.TempDir(), data, 2)
	c.awaitWorkers(t)
	run := c.submit(t, "kill.yaml")
	_, seen := c.coordinator.await(t, 0, "msg", "phase", "phase", "train", "round", "2")
	c.workers[0].signal(syscall.SIGSTOP)
	began := time.Now()
	_, seen = c.coordinator.await(t, seen, "msg", "worker left", "worker", workerName(0))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was missed after %v", took)
	}
	if status := c.awaitEnd(t, run); status != "completed" || c.show(t, run).model() != want {
		t.Errorf("the run is %s with %s, want %s", status, c.show(t, run).model(), want)
	}
	c.workers[0].signal(syscall.SIGCONT)
	c.coordinator.await(t, seen, "msg", "worker joined", "worker", workerName(0))
}

// TestPausedCoordinator: a coordinator that stands still for longer than it would wait for a worker finds all of them
// again when it goes on, with what they have done meanwhile.
func TestPausedCoordinator(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 4096, 64, 32)
	want := undisturbed(t, writeSpec(t, data, "kill.yaml", killSpec))
	c := newCluster(t, t.TempDir(), data, 2)
	c.awaitWorkers(t)
	run := c.submit(t, "kill.yaml")
	c.coordinator.await(t, 0, "msg", "phase", "phase", "train", "round", "2")
	c.coordinator.signal(syscall.SIGSTOP)
	<-time.After(4 * time.Second) // workers are given up after 3 s
	c.coordinator.signal(syscall.SIGCONT)
	if status := c.awaitEnd(t, run); status != "completed" || c.show(t, run).model() != want {
		t.Errorf("the run is %s with %s, want %s", status, c.show(t, run).model(), want)
	}
}
