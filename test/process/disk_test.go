//go:build linux

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk: a coordinator whose disk is full says so and loses nothing; once there is room the run goes on to the bits
// that it would have come to.
func TestFullDisk(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 512, 64, 32)
	want := undisturbed(t, writeSpec(t, data, "kill.yaml", killSpec))
	// A model has 0.7 MB. The disk is full in the first, the second and the third commit.
	for _, free := range []int64{100 << 10, 1 << 20, 2 << 20} {
		t.Run(fmt.Sprintf("of %d KiB", free>>10), func(t *testing.T) {
			dir, drop := tinyDisk(t, free)
			c := newCluster(t, dir, data, 1)
			run := c.submit(t, "kill.yaml")
			l, _ := c.coordinator.await(t, 0, "msg", "run ended")
			if !l.has("status", "stopped") || !strings.Contains(l.attrs["reason"], "no space left on device") {
				t.Fatalf("the run ended so: %s", l.text)
			}
			before := c.show(t, run)
			drop()
			seen := c.coordinator.log.count()
			succeed(t, "runs", "resume", run, "--coordinator", c.address)
			if l, _ := c.coordinator.await(t, seen, "msg", "run ended"); !l.has("status", "completed") {
				t.Fatalf("the run ended so: %s", l.text)
			}
			after := c.show(t, run)
			if after.model() != want {
				t.Errorf("the run came to %s, want %s", after.model(), want)
			}
			for i, r := range before.Rounds {
				if after.Rounds[i].RecordSHA256 != r.RecordSHA256 {
					t.Errorf("round %d is not what it was before", r.Round)
				}
			}
			c.coordinator.kill()
			verify(t, dir)
			checkChain(t, dir, run, killRounds)
		})
	}
}

// TestNoRoomForPushes: pushes too large for memory wait in files; where there is no room for these the coordinator says so,
// and the worker pushes again until there is.
func TestNoRoomForPushes(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 4096, 64, 32)
	want := undisturbed(t, writeSpec(t, data, "kill.yaml", killSpec))
	dir, drop := tinyDisk(t, 8<<20) // a model of 4.3 MB, but not with a sum of 8.6 MB
	c := newCluster(t, dir, data, 1)
	run := c.submit(t, "kill.yaml")
	for range 6 { // more often than a task may be refused
		l, _ := c.coordinator.await(t, c.coordinator.log.count(), "msg", "push broken off")
		if !strings.Contains(l.attrs["why"], "no space left on device") {
			t.Fatalf("a push broke off: %s", l.text)
		}
	}
	drop()
	if status := c.awaitEnd(t, run); status != "completed" || c.show(t, run).model() != want {
		t.Errorf("the run is %s with %s, want %s", status, c.show(t, run).model(), want)
	}
}

// TestNoRoomForAStore: where there is not even room to begin, nothing is begun.
func TestNoRoomForAStore(t *testing.T) {
	dir, drop := tinyDisk(t, 8<<10)
	r := command(t, "coordinator", "--listen", address(t), "--dir", dir)
	if r.code != 1 || !strings.Contains(r.stderr, "no space left on device") {
		t.Errorf("exit code %d with %q, want 1 and why", r.code, r.stderr)
	}
	drop()
	newCluster(t, dir, t.TempDir(), 1).awaitWorkers(t)
}

// tinyDisk mounts a disk with so many free bytes, and more once drop is called.
func tinyDisk(t *testing.T, free int64) (dir string, drop func()) {
	t.Helper()
	const ballast = 64 << 20
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", ballast+free)); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "ballast")
	if err := os.WriteFile(path, make([]byte, ballast), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
