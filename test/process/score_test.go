//go:build linux

package process

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestKillWhileScored: where workers bring their own shards, a coordinator or a worker that is killed while scores of a round are
// gathered costs nothing: the round is made again or scored by who comes back, and the run ends with the same model.
func TestKillWhileScored(t *testing.T) {
	const rounds = "rounds=40"
	want := undisturbed(t, filepath.Join(clinics, "clinics.yaml"), rounds)
	specs := t.TempDir()
	spec, err := os.ReadFile(filepath.Join(clinics, "clinics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(specs, "clinics.yaml"), spec, 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs(filepath.Join(clinics, "1"))
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, t.TempDir(), specs, 0)
	c.ownWorker(t, "left", "0,2", filepath.Dir(folder))
	lone := c.ownWorker(t, "right", "1", folder)
	run := c.submit(t, "clinics.yaml", rounds)

	hits := 0
	for range 5 {
		if c.killAtScoring(t, c.coordinator) && c.coordinator.lastPhase() == "evaluate" {
			hits++
		}
		c.startCoordinator(t)
	}
	left, from := 0, 0
	for range 5 {
		_, from = c.coordinator.await(t, from, "msg", "worker joined", "worker", "right") // who has not joined does not leave
		if c.killAtScoring(t, lone) {
			_, at := c.coordinator.await(t, from, "msg", "worker left", "worker", "right")
			if phaseBefore(c.coordinator, at) == "evaluate" {
				left++
			}
			from = at
		}
		lone = c.ownWorker(t, "right", "1", folder)
	}
	t.Logf("killed while scores were gathered: the coordinator %d times of 5, a worker %d times of 5", hits, left)
	if hits == 0 || left == 0 {
		t.Error("nothing was killed while scores were gathered")
	}
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Fatalf("the run is %s", status)
	}
	if got := c.show(t, run).model(); got != want {
		t.Errorf("the model is %s, want %s", got, want)
	}
	c.coordinator.kill()
	verify(t, c.dir)
}

// killAtScoring kills the process at the next moment in which the coordinator waits for scores, and returns false if the run
// ended before.
func (c *cluster) killAtScoring(t *testing.T, victim *process) bool {
	t.Helper()
	fired, over := make(chan struct{}), make(chan struct{})
	c.coordinator.log.catch(func(l line) bool {
		switch {
		case l.has("msg", "phase", "phase", "evaluate"):
			victim.signal(syscall.SIGKILL)
			close(fired)
			return true
		case l.has("msg", "run ended"):
			close(over)
			return true
		}
		return false
	})
	select {
	case <-fired:
		<-victim.ended
		return true
	case <-over:
		return false
	}
}

// lastPhase returns the phase in which a process's log ends.
func (p *process) lastPhase() string { return phaseBefore(p, p.log.count()) }

// phaseBefore returns the last phase before a line of a coordinator's log.
func phaseBefore(p *process, at int) string {
	lines, _, _ := p.log.all()
	phase := ""
	for _, l := range lines[:at] {
		if l.has("msg", "phase") {
			phase = l.attrs["phase"]
		}
	}
	return phase
}
