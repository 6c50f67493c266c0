//go:build linux

package process

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"text/tabwriter"
)

// phase is where a run stands when something is killed.
type phase int

const (
	starting    phase = iota // nothing was said of a run yet
	planning                 // of a round
	training                 // and nobody pushes
	pushing                  // a push has begun and is not whole
	closing                  // between the last update and the end of the commit
	afterCommit              // and nothing else has begun
	measuring                // the run waits for a measurement
	ended                    // the run has
	numPhases
)

var phaseNames = [numPhases]string{"starting", "planning", "training", "a push half sent", "between the last update and the commit",
	"right after the commit", "measuring", "after the end"}

func (p phase) String() string { return phaseNames[p] }

// wanted are the phases in which the kill tests must have killed something at least three times.
var wanted = []phase{planning, training, pushing, closing, afterCommit, measuring}

// enters returns the phase that begins with a line of a coordinator's log; false: none does.
func (l line) enters() (phase, bool) {
	switch {
	case l.attrs["msg"] == "run ended":
		return ended, true
	case l.has("msg", "push", "at", "begin"), l.has("msg", "push", "at", "half"):
		return pushing, true
	case l.attrs["msg"] != "phase":
		return 0, false
	}
	p, ok := map[string]phase{"plan": planning, "train": training, "aggregate": closing, "commit": closing,
		"committed": afterCommit, "measure": measuring}[l.attrs["phase"]]
	return p, ok
}

// situation follows a coordinator's log.
type situation struct {
	phase  phase           // pushes aside
	open   map[string]bool // workers whose push has begun and is not whole
	joined map[string]bool
}

func (s *situation) add(l line) {
	if s.open == nil {
		s.open, s.joined = make(map[string]bool), make(map[string]bool)
	}
	who := l.attrs["worker"]
	switch l.attrs["msg"] {
	case "worker joined":
		s.joined[who] = true
	case "worker left":
		delete(s.joined, who)
	}
	switch p, ok := l.enters(); {
	case l.has("msg", "push", "at", "end"), l.has("msg", "push refused"), l.has("msg", "worker left"):
		delete(s.open, who)
	case ok && p == pushing:
		s.open[who] = true
	case ok:
		s.phase = p
	}
}

// of returns the phase in which a worker is, or with no name the coordinator.
func (s *situation) of(worker string) phase {
	if s.phase == training && (s.open[worker] || worker == "" && len(s.open) > 0) {
		return pushing
	}
	return s.phase
}

// situationOf is where a coordinator stood after the lines.
func situationOf(lines []line) *situation {
	var s situation
	for _, l := range lines {
		s.add(l)
	}
	return &s
}

// hits counts kills by the phase that they hit.
type hits [numPhases]int

func (h *hits) total() int {
	n := 0
	for _, k := range h {
		n += k
	}
	return n
}

// rarest returns the wanted phase that was hit least often, the later ones first, and how often that was.
func (h *hits) rarest() (phase, int) {
	best := wanted[len(wanted)-1]
	for _, p := range wanted {
		if h[p] < h[best] {
			best = p
		}
	}
	return best, h[best]
}

func (h *hits) write(w io.Writer, title string) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tab, "%s\t\n", title)
	for p, n := range h {
		fmt.Fprintf(tab, "  %v\t%d\n", phase(p), n)
	}
	fmt.Fprintf(tab, "  total\t%d\n", h.total())
	_ = tab.Flush() // into memory
}

// TestSituations: what the kill tests say about a kill is what the log says.
func TestSituations(t *testing.T) {
	const plan, train, aggregate = "msg=phase phase=plan round=1", "msg=phase phase=train round=1", "msg=phase phase=aggregate round=1"
	const begin, half, end = "msg=push at=begin worker=w1", "msg=push at=half worker=w1", "msg=push at=end worker=w1"
	for _, test := range []struct {
		log         string
		coordinator phase
		w0, w1      phase
	}{
		{"", starting, starting, starting},
		{plan, planning, planning, planning},
		{plan + "\n" + train, training, training, training},
		{train + "\n" + begin, pushing, training, pushing},
		{train + "\n" + begin + "\n" + half, pushing, training, pushing},
		{train + "\n" + begin + "\n" + half + "\n" + end, training, training, training},
		{train + "\n" + begin + "\nmsg=\"worker left\" worker=w1 why=\"it = gone\"", training, training, training},
		{train + "\n" + begin + "\n" + aggregate, closing, closing, closing},
		{"msg=phase phase=commit", closing, closing, closing},
		{"msg=phase phase=committed", afterCommit, afterCommit, afterCommit},
		{"msg=phase phase=measure", measuring, measuring, measuring},
		{"msg=phase phase=measure\nmsg=\"run ended\" status=completed", ended, ended, ended},
	} {
		var lines []line
		for text := range strings.SplitSeq(test.log, "\n") {
			lines = append(lines, parseLine("time=x level=DEBUG "+text))
		}
		s := situationOf(lines)
		if s.of("") != test.coordinator || s.of("w0") != test.w0 || s.of("w1") != test.w1 {
			t.Errorf("after %q: %v, %v, %v; want %v, %v, %v", test.log, s.of(""), s.of("w0"), s.of("w1"), test.coordinator, test.w0, test.w1)
		}
	}
}
