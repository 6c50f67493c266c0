//go:build unix

package processes_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/processes"
)

// roleVariable makes the test binary play one of the processes of a test.
const roleVariable = "FEDRELU_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		goleak.VerifyTestMain(m)
	case "parent":
		playParent()
	default:
		playChild(role)
	}
}

// playChild says its greeting on stderr and does what its role wants.
func playChild(role string) {
	in := bufio.NewReader(os.Stdin)
	greeting, _ := in.ReadString('\n')
	fmt.Fprintf(os.Stderr, "%s %d\n", strings.TrimSpace(greeting), os.Getpid())
	switch role {
	case "crash":
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(3)
	case "deaf":
		<-time.After(time.Hour) // it is killed long before
	}
	_, _ = io.Copy(io.Discard, in)
	os.Exit(0)
}

// playParent starts two children, tells their ids, and waits to be killed.
func playParent() {
	t := &talk{lines: make(chan string, 100)}
	cfg := config("child", 2, t)
	command := cfg.Command
	cfg.Command = func(i int) *exec.Cmd {
		cmd := command(i)
		cmd.Stdout = os.Stdout // by which the test sees that they live
		return cmd
	}
	if _, err := processes.Start(cfg); err != nil {
		panic(err)
	}
	for range 2 {
		fmt.Println(t.next())
	}
	<-make(chan bool)
}

// talk hears what processes and their group say.
type talk struct {
	lines chan string
	mu    sync.Mutex
	ends  []string
}

func (t *talk) next() string {
	select {
	case line := <-t.lines:
		return line
	case <-time.After(20 * time.Second):
		panic("a process says nothing")
	}
}

func config(role string, count int, t *talk) processes.Config {
	return processes.Config{
		Count: count,
		Command: func(int) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"="+role)
			return cmd
		},
		Greeting: func(i int) []byte { return fmt.Appendf(nil, "greeting-%d\n", i) },
		Line:     func(_ int, line string) { t.lines <- line },
		Restart: func(i int, why error, _ time.Duration) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.ends = append(t.ends, fmt.Sprintf("%d: %v", i, why))
		},
	}
}

func start(t *testing.T, role string, count int) (*processes.Group, *talk) {
	t.Helper()
	said := &talk{lines: make(chan string, 1000)}
	g, err := processes.Start(config(role, count, said))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g, said
}

// pidOf returns the id in a line of a child.
func pidOf(t *testing.T, line string) int {
	t.Helper()
	var who string
	var pid int
	if _, err := fmt.Sscanf(line, "%s %d", &who, &pid); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return pid
}

func TestEveryProcessIsGreetedAndStopped(t *testing.T) {
	g, said := start(t, "child", 2)
	heard := map[string]bool{}
	var pids []int
	for range 2 {
		line := said.next()
		heard[strings.Fields(line)[0]] = true
		pids = append(pids, pidOf(t, line))
	}
	if !heard["greeting-0"] || !heard["greeting-1"] {
		t.Errorf("the greetings were %v, want greeting-0 and greeting-1", heard)
	}
	for _, pid := range pids {
		if group, err := syscall.Getpgid(pid); err != nil || group != pid {
			t.Errorf("process %d is in group %d (%v), want one of its own", pid, group, err)
		}
	}
	g.Stop()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("process %d after Stop: %v, want that there is none", pid, err)
		}
	}
	if len(said.ends) != 0 || g.Err() != nil {
		t.Errorf("a stop was taken for an end: %v, %v", said.ends, g.Err())
	}
}

func TestAProcessThatDoesNotListenIsKilled(t *testing.T) {
	g, said := start(t, "deaf", 1)
	pid := pidOf(t, said.next())
	g.Stop()
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d after Stop: %v, want that there is none", pid, err)
	}
}

func TestAKilledProcessIsStartedAgain(t *testing.T) {
	_, said := start(t, "child", 1)
	first := pidOf(t, said.next())
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if second := pidOf(t, said.next()); second == first {
		t.Errorf("process %d speaks again", first)
	}
	said.mu.Lock()
	defer said.mu.Unlock()
	if want := "0: signal: killed"; len(said.ends) != 1 || said.ends[0] != want {
		t.Errorf("ends: %q, want %q", said.ends, want)
	}
}

func TestProcessesThatCrashAtOnceAreGivenUp(t *testing.T) {
	g, said := start(t, "crash", 1)
	select {
	case <-g.Failed():
	case <-time.After(30 * time.Second):
		t.Fatal("still not given up")
	}
	err := g.Err()
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "last words") {
		t.Errorf("got %v, want the status and the last words", err)
	}
	if len(said.ends) != 4 {
		t.Errorf("it was started again %d times, want 4", len(said.ends))
	}
}

func TestStartFailsWhenTheFirstStartDoes(t *testing.T) {
	cfg := config("child", 2, &talk{lines: make(chan string, 10)})
	cfg.Command = func(i int) *exec.Cmd {
		if i == 1 {
			return exec.Command("./there-is-no-such-program")
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleVariable+"=child")
		return cmd
	}
	if _, err := processes.Start(cfg); err == nil || !strings.Contains(err.Error(), "process 2 of 2") {
		t.Errorf("got %v, want an error about process 2 of 2", err)
	}
}

func TestProcessesEndWithTheirParentHoweverItWent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), roleVariable+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var pids []int
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pidOf(t, line))
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The children hold the parent's stdout: its end is the end of the last one.
	rest := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, lines)
		rest <- err
	}()
	select {
	case <-rest:
	case <-time.After(20 * time.Second):
		t.Errorf("a process of %v lives on", pids)
	}
	_ = parent.Wait() // it was killed
}
