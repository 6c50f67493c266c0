//go:build linux

// Package process tests fedrelu as its users run it: real processes on loopback, started, stopped, paused and killed.
//
// Rules. A test starts processes through this file alone, which ends every one of them with the test, whatever happens.
// Nothing sleeps: a test waits for a line of a log, for the end of a process, or for a document, each with a deadline.
// What a test draws comes from a seed that it prints and that -seed sets.
//
// Long forms, which are no part of `go test ./...`:
//
//	go test ./test/process -run Kill -kills 30 -timeout 30m -v
//	go test ./test/process -run Memory -long -timeout 30m -v
package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 1, "of everything that a test draws")
	kills = flag.Int("kills", 6, "how often the kill tests kill the coordinator, and how often workers")
	long  = flag.Bool("long", false, "the long forms of the memory tests")
)

// patience is how long anything may take that takes a moment. Only a test that fails waits so long.
const patience = 60 * time.Second

// folder holds the program for as long as the tests of this package run.
var folder string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if folder, err = os.MkdirTemp("", "fedrelu-process-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder) // the system's folder for such things
	os.Exit(code)
}

// program builds cmd/fedrelu, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "fedrelu")
	out, err := exec.Command("go", "build", "-o", path, "github.com/fedrelu/fedrelu/cmd/fedrelu").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

// process is a running fedrelu.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdout bytes.Buffer // to be read after the end
	log    *log         // stderr
	ended  chan struct{}
}

// start begins `fedrelu args`. The process leads a group of its own, and the group ends with the test, or with the test's
// own process.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: exec.Command(path, args...), log: newLog(), ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.log.read(bufio.NewReader(stderr))
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, strings.Join(p.log.tail(25), "\n"))
		}
	})
	return p
}

// signal sends a signal to the process and all that it has started; they may be gone.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// kill ends the process at once and waits until it is gone and all that it had logged is there.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// wait waits for the end of the process and returns its exit code, -1 if a signal ended it.
func (p *process) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("%s has not ended within %v", p.name, within)
		return 0
	}
}

// result is what a command came to.
type result struct {
	code           int
	stdout, stderr string
}

// command runs `fedrelu args` to its end.
func command(t *testing.T, args ...string) result {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("fedrelu %s: %v, %v\n%s", strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// succeed runs `fedrelu args`, which must end with exit code 0, and returns its stdout.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := command(t, args...)
	if r.code != 0 {
		t.Fatalf("fedrelu %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}
