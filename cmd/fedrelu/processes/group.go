package processes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to start.
type Config struct {
	Count    int
	Command  func(i int) *exec.Cmd                       // a new one for each start; stdin and stderr are the group's
	Greeting func(i int) []byte                          // what process i reads first
	Line     func(i int, line string)                    // takes a line of its stderr
	Restart  func(i int, why error, pause time.Duration) // is told that it has ended and will be started again
}

// Group is a number of running processes.
type Group struct {
	cfg      Config
	members  []*member
	stopping chan struct{}
	failed   chan struct{}
	left     atomic.Int64 // that are not given up
	once     sync.Once
	wg       sync.WaitGroup
}

// member is one of the processes, over all of its lives.
type member struct {
	index int

	mu    sync.Mutex
	stdin io.Closer // of the life at hand; nil: none
	kill  func() error
	tail  []string
	err   error // why it was given up
}

// tailLines is how much of its stderr is shown of a process that is given up.
const tailLines = 10

// Start starts the processes. It fails only if the first start of one does; then none is left.
func Start(cfg Config) (*Group, error) {
	g := &Group{cfg: cfg, stopping: make(chan struct{}), failed: make(chan struct{})}
	g.left.Store(int64(cfg.Count))
	for i := range cfg.Count {
		m := &member{index: i}
		g.members = append(g.members, m)
		life, err := g.start(m)
		if err != nil {
			g.Stop()
			return nil, fmt.Errorf("starting process %d of %d: %w", i+1, cfg.Count, err)
		}
		g.wg.Go(func() { g.tend(m, life) })
	}
	return g, nil
}

// Failed is closed when every process has been given up; Err then says why.
func (g *Group) Failed() <-chan struct{} { return g.failed }

// Err returns why processes were given up, nil if none was.
func (g *Group) Err() error {
	var all []error
	for _, m := range g.members {
		m.mu.Lock()
		all = append(all, m.err)
		m.mu.Unlock()
	}
	return errors.Join(all...)
}

// stopTimeout is how long a process may take to see that its pipe was closed.
const stopTimeout = 2 * time.Second

// Stop closes all pipes and returns when all processes are gone; those that do not go are killed.
func (g *Group) Stop() {
	g.once.Do(func() { close(g.stopping) })
	for _, m := range g.members {
		m.hangUp()
	}
	killer := time.AfterFunc(stopTimeout, func() {
		for _, m := range g.members {
			m.killNow()
		}
	})
	g.wg.Wait()
	killer.Stop()
}

// tend waits for the ends of a process and starts it again.
func (g *Group) tend(m *member, life *exec.Cmd) {
	var p patience
	for {
		began := time.Now()
		why := life.Wait()
		m.gone()
		if g.stopped() {
			return
		}
		if why == nil {
			why = errors.New("it ended by itself")
		}
		pause, again := p.ended(time.Since(began))
		if !again {
			g.giveUp(m, why)
			return
		}
		g.cfg.Restart(m.index, why, pause)
		if !g.sleep(pause) {
			return
		}
		var err error
		if life, err = g.start(m); err != nil {
			g.giveUp(m, err)
			return
		}
	}
}

func (g *Group) stopped() bool {
	select {
	case <-g.stopping:
		return true
	default:
		return false
	}
}

// sleep returns false if the group stops meanwhile.
func (g *Group) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-g.stopping:
		return false
	}
}

func (g *Group) giveUp(m *member, why error) {
	m.mu.Lock()
	m.err = fmt.Errorf("process %d ended %d times in a row, at last: %w\n%s", m.index+1, tries, why, strings.Join(m.tail, "\n"))
	m.mu.Unlock()
	if g.left.Add(-1) == 0 {
		close(g.failed)
	}
}

// start begins a life of a process and greets it. A process that does not take its greeting will end by itself.
func (g *Group) start(m *member) (*exec.Cmd, error) {
	cmd := g.cfg.Command(m.index)
	ownGroup(cmd)
	cmd.Stderr = &lines{each: func(line string) { m.said(line); g.cfg.Line(m.index, line) }}
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	m.began(stdin, cmd)
	_, _ = stdin.Write(g.cfg.Greeting(m.index))
	if g.stopped() {
		m.hangUp() // Stop did not see this life
	}
	return cmd, nil
}

func (m *member) began(stdin io.Closer, cmd *exec.Cmd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stdin, m.kill = stdin, cmd.Process.Kill
}

func (m *member) gone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stdin, m.kill = nil, nil
}

func (m *member) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stdin != nil {
		_ = m.stdin.Close() // the process sees the end of the file either way
	}
}

func (m *member) killNow() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kill != nil {
		_ = m.kill() // it may be gone by now
	}
}

func (m *member) said(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail = append(m.tail, line)
	m.tail = m.tail[max(0, len(m.tail)-tailLines):]
}

// lines cuts what is written to it into lines. A line longer than maxLine is cut.
type lines struct {
	each func(string)
	part []byte
}

const maxLine = 4096

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, found := bytes.Cut(l.part, []byte("\n"))
		if !found && len(l.part) < maxLine {
			return len(p), nil
		}
		if !found {
			line, rest = l.part[:maxLine], l.part[maxLine:]
		}
		l.each(string(line))
		l.part = append(l.part[:0], rest...)
	}
}
