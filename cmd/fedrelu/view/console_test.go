package view_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

func TestConsoleInAPipeWritesWholeLines(t *testing.T) {
	var out bytes.Buffer
	c := view.NewConsole(&out, nil)
	c.Live(func(int) string { return "live" })
	fmt.Fprint(c, "one\ntw")
	c.Printf("between %d", 2)
	fmt.Fprint(c, "o\n")
	c.Redraw()
	c.Keep()
	if want := "one\nbetween 2\ntwo\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// screen is as much of a terminal as a console needs: it wraps lines, and knows \r, \n, ESC[nA and ESC[J.
type screen struct {
	width    int
	rows     [][]rune
	row, col int
}

func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			s.fill(s.row)
			s.rows = s.rows[:s.row+1]
			s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
			text = text[3:]
			continue
		case strings.HasPrefix(text, "\x1b["):
			var up int
			if _, err := fmt.Sscanf(text, "\x1b[%dA", &up); err != nil {
				return 0, err
			}
			s.row -= up
			text = text[strings.Index(text, "A")+1:]
			continue
		}
		r := []rune(text)[0]
		s.put(r)
		text = text[len(string(r)):]
	}
	return len(p), nil
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.col = 0
	case '\n':
		s.row, s.col = s.row+1, 0
		s.fill(s.row)
	default:
		if s.col == s.width {
			s.row, s.col = s.row+1, 0
		}
		s.fill(s.row)
		s.rows[s.row] = append(s.rows[s.row][:s.col], r)
		s.col++
	}
}

func (s *screen) fill(row int) {
	for len(s.rows) <= row {
		s.rows = append(s.rows, nil)
	}
}

// narrow spreads the line with the cursor over more rows, as terminals do.
func (s *screen) narrow(width int) {
	line := s.rows[s.row]
	s.width, s.rows = width, s.rows[:s.row]
	for len(line) > width {
		s.rows = append(s.rows, line[:width])
		line = line[width:]
	}
	s.rows = append(s.rows, line)
	s.row, s.col = len(s.rows)-1, len(line)
}

func (s *screen) String() string {
	var lines []string
	for _, r := range s.rows {
		lines = append(lines, string(r))
	}
	return strings.Join(lines, "\n")
}

func TestConsoleKeepsTheLiveLineBelow(t *testing.T) {
	s := &screen{width: 20}
	c := view.NewConsole(s, func() int { return s.width })
	live := "a line that is cut at the width"
	c.Live(func(width int) string { return view.Cut(live, width) })
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"drawn", func() {}, "a line that is cut…"},
		{"a line above", func() { c.Printf("hello") }, "hello\na line that is cut…"},
		{"narrower", func() { s.narrow(8); c.Redraw() }, "hello\na line…"},
		{"shorter", func() { live = "b"; c.Redraw() }, "hello\nb"},
		{"another line above", func() { fmt.Fprint(c, "2\n") }, "hello\n2\nb"},
		{"kept", func() { live = "end"; c.Keep() }, "hello\n2\nend\n"},
		{"nothing is drawn after that", func() { c.Redraw(); c.Printf("3") }, "hello\n2\nend\n3\n"},
	}
	for _, step := range steps {
		step.do()
		if got := s.String(); got != step.want {
			t.Fatalf("%s: the screen shows\n%s\nwant\n%s", step.name, got, step.want)
		}
	}
}
