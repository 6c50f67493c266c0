//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

const stopSpec = `name: tiny
rounds: 300
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 5}
model: {mlp: {hidden: [4]}}
participation: {count: 3}
`

// program is a process of this program in a folder of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout strings.Builder
	stderr *bufio.Reader
	said   strings.Builder
}

func newFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeTinyData(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spec.yaml"), []byte(stopSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func launch(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cmd: exec.Command(self, args...)}
	p.cmd.Args[0], p.cmd.Dir, p.cmd.Stdout = "fedrelu", dir, &p.stdout
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = bufio.NewReader(pipe)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	t.Cleanup(func() { hung.Stop() })
	return p
}

// until reads stderr up to a line that begins like this.
func (p *program) until(prefix string) {
	p.t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		p.said.WriteString(line)
		if err != nil {
			p.t.Fatalf("no line begins with %q: %v\n%s", prefix, err, p.said.String())
		}
		if strings.HasPrefix(line, prefix) {
			return
		}
	}
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the program and returns its exit code, -1 if it was killed, and all of its stderr.
func (p *program) end() (int, string) {
	p.t.Helper()
	rest, err := io.ReadAll(p.stderr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.said.Write(rest)
	_ = p.cmd.Wait() // the exit code says it
	return p.cmd.ProcessState.ExitCode(), p.said.String()
}

// result runs the program to its end and returns the document that it printed.
func result(t *testing.T, dir string, args ...string) view.Result {
	t.Helper()
	p := launch(t, dir, args...)
	code, said := p.end()
	var r view.Result
	if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil || code != 0 || r.ModelSHA256 == nil {
		t.Fatalf("exit code %d, stdout %q, %v\n%s", code, p.stdout.String(), err, said)
	}
	return r
}

func TestAStoppedOrKilledRunGoesOnToTheSameBits(t *testing.T) {
	want := result(t, newFolder(t), "run", "spec.yaml", "--json")
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, exitStopped}, {syscall.SIGTERM, exitStopped}, {syscall.SIGHUP, exitStopped}, {syscall.SIGKILL, -1}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			dir := newFolder(t)
			p := launch(t, dir, "run", "spec.yaml", "--json")
			p.until("round   3/300")
			p.signal(c.signal)
			code, said := p.end()
			if code != c.code {
				t.Fatalf("exit code %d, want %d\n%s", code, c.code, said)
			}
			if c.signal != syscall.SIGKILL {
				checkStopped(t, p.stdout.String(), said)
			}
			got := result(t, dir, "run", "--resume", "tiny", "--json")
			if *got.ModelSHA256 != *want.ModelSHA256 || got.Rounds != 300 || got.Status != "completed" {
				t.Errorf("got %s after %d rounds, %s; want %s", *got.ModelSHA256, got.Rounds, got.Status, *want.ModelSHA256)
			}
		})
	}
}

func checkStopped(t *testing.T, stdout, stderr string) {
	t.Helper()
	var r view.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Status != "stopped" || r.Rounds < 3 || r.Rounds >= 300 {
		t.Errorf("stdout %q, %v; want the document of a stopped run", stdout, err)
	}
	if want := fmt.Sprintf("it goes on with: fedrelu run --resume %s\n", r.Run); !strings.HasSuffix(stderr, want) {
		t.Errorf("stderr does not end with %q:\n%s", want, stderr)
	}
	for _, noise := range []string{"panic", "level=", "started again"} {
		if strings.Contains(stderr, noise) {
			t.Errorf("stopping makes noise:\n%s", stderr)
		}
	}
}

func TestAWorkerThatWasKilledIsStartedAgain(t *testing.T) {
	dir := newFolder(t)
	want := result(t, newFolder(t), "run", "spec.yaml", "--json")
	p := launch(t, dir, "run", "spec.yaml", "--json", "--workers", "2")
	p.until("round   3/300")
	pids := childrenOf(t, p.cmd.Process.Pid)
	if len(pids) != 2 {
		t.Skipf("%d children are visible on this machine, want 2", len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	code, said := p.end()
	var got view.Result
	if err := json.Unmarshal([]byte(p.stdout.String()), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, stdout %q, %v\n%s", code, p.stdout.String(), err, said)
	}
	if *got.ModelSHA256 != *want.ModelSHA256 {
		t.Errorf("got %s, want %s", *got.ModelSHA256, *want.ModelSHA256)
	}
	if !strings.Contains(said, "has ended (signal: killed) and is started again") {
		t.Errorf("nobody said that a worker was started again:\n%s", said)
	}
}

// childrenOf returns the processes whose parent is pid, where /proc tells.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread is gone
		}
		for _, word := range strings.Fields(string(text)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}
