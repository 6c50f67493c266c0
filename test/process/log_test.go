//go:build linux

package process

import (
	"bufio"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// line is a line of a log in slog's text form; lines of another form have no attributes.
type line struct {
	text  string
	attrs map[string]string
}

func parseLine(text string) line {
	l := line{text: text, attrs: make(map[string]string)}
	for rest := text; rest != ""; {
		key, value, found := strings.Cut(rest, "=")
		if !found || strings.ContainsAny(key, ` "`) {
			return l
		}
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			rest = value[len(quoted):]
			value, _ = strconv.Unquote(quoted)
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		l.attrs[key] = value
		rest = strings.TrimLeft(rest, " ")
	}
	return l
}

// has tells whether the line has all of the attributes, given as key, value, key, value.
func (l line) has(pairs ...string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if value, ok := l.attrs[pairs[i]]; !ok || value != pairs[i+1] {
			return false
		}
	}
	return true
}

func (l line) number(key string) int {
	n, err := strconv.Atoi(l.attrs[key])
	if err != nil {
		return -1
	}
	return n
}

// log keeps the lines of a process.
type log struct {
	mu      sync.Mutex
	lines   []line
	changed chan struct{} // closed with the next line, and at the end
	over    bool
	trap    func(line) bool // called with each line by who reads it, until it returns true
}

func newLog() *log { return &log{changed: make(chan struct{})} }

// read reads to the end.
func (l *log) read(r *bufio.Reader) {
	for {
		text, err := r.ReadString('\n')
		if text != "" {
			l.add(parseLine(strings.TrimSuffix(text, "\n")))
		}
		if err != nil {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	close(l.changed)
}

func (l *log) add(one line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, one)
	if l.trap != nil && l.trap(one) {
		l.trap = nil
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// catch calls do with every line from now on until it returns true, or until it is replaced; it returns false if there was
// nothing to replace. do runs where lines are read: nothing is faster, and it must not wait.
func (l *log) catch(do func(line) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	replaced := l.trap != nil
	l.trap = do
	return replaced
}

// all returns the lines so far, what tells of the next one, and whether there will be none.
func (l *log) all() ([]line, <-chan struct{}, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:len(l.lines):len(l.lines)], l.changed, l.over
}

func (l *log) count() int {
	lines, _, _ := l.all()
	return len(lines)
}

func (l *log) tail(n int) []string {
	lines, _, _ := l.all()
	var texts []string
	for _, one := range lines[max(0, len(lines)-n):] {
		texts = append(texts, one.text)
	}
	return texts
}

// await waits for a line with the attributes, at or after number from, and returns it with the number after it.
func (p *process) await(t *testing.T, from int, pairs ...string) (line, int) {
	t.Helper()
	l, next, ok := p.awaitOr(t, from, nil, func(l line) bool { return l.has(pairs...) })
	if !ok {
		t.Fatalf("%s ended before it said %v", p.name, pairs)
	}
	return l, next
}

// awaitOr waits for a line, or for stop to be closed, or for the end of the log; then it returns false.
func (p *process) awaitOr(t *testing.T, from int, stop <-chan struct{}, match func(line) bool) (line, int, bool) {
	t.Helper()
	deadline := time.After(patience)
	for at := from; ; {
		lines, changed, over := p.log.all()
		for ; at < len(lines); at++ {
			if match(lines[at]) {
				return lines[at], at + 1, true
			}
		}
		if over {
			return line{}, at, false
		}
		select {
		case <-changed:
		case <-stop:
			return line{}, at, false
		case <-deadline:
			t.Fatalf("%s did not say within %v what was waited for", p.name, patience)
		}
	}
}
