package round

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts plays the files of testdata. The commands are
//
//	new round=3 invited=0-9 [quorum=8] [grace=5s] [deadline=30s] [give-up=10m] [task-limit=1m] [leave-out]
//	    [adaptive=5] [least=4] [floor=1s]   the deadline follows the rounds before in this file
//	step at=2s      events, one a line (see parseEvent); prints the actions
//	push at=2s      "<session>: <shards>", a push that the owner counts if it is accepted; prints the refusal or the actions
//	wait            prints what the round waits for, until when, and when it wants to wake
//	progress        prints the counts
//
// and `go test -rewrite` rewrites the expectations.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return // rapid keeps its failures beside
		}
		var m *Machine
		var times Times
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var err error
				if m, err = New(parsePlan(t, d, times), epoch); err != nil {
					return err.Error() + "\n"
				}
				return ""
			case "step":
				return observed(&times, m.Step(parseTime(t, d), parseEvents(t, m, d.Input)...))
			case "push":
				return push(t, m, d, &times)
			case "wait":
				return describeWait(m)
			case "progress":
				return fmt.Sprintf("%+v\n", m.Progress())
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// observed takes the close among the actions into times.
func observed(times *Times, actions []Action) string {
	for _, a := range actions {
		if c, ok := a.(Close); ok {
			times.Observe(c)
		}
	}
	return lines(actions)
}

func push(t *testing.T, m *Machine, d *datadriven.TestData, times *Times) string {
	head, tail, _ := strings.Cut(d.Input, ":")
	id, shards := parseID(t, head), parseShards(t, tail)
	if err := m.Accepts(id, shards); err != nil {
		return "refused: " + err.Error() + "\n"
	}
	return observed(times, m.Step(parseTime(t, d), Answered{id, shards}))
}

func lines(actions []Action) string {
	if len(actions) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintln(&b, a)
	}
	return b.String()
}

func describeWait(m *Machine) string {
	w := m.Wait()
	if w.Reason == "" {
		return "for nothing\n"
	}
	s := fmt.Sprintf("%s\nshards %s, workers %v, since %s", w.Reason, inWords(w.Shards), w.Workers, w.Since.Sub(epoch))
	if !w.Until.IsZero() {
		s += ", until " + w.Until.Sub(epoch).String()
	}
	if wake, ok := m.Wake(); ok {
		s += ", wake at " + wake.Sub(epoch).String()
	}
	return s + "\n"
}

func parsePlan(t *testing.T, d *datadriven.TestData, times Times) Plan {
	adaptive := Adaptive{Least: 1}
	p := Plan{Round: 1, Policy: Policy{GiveUp: 10 * time.Minute}}
	for _, arg := range d.CmdArgs {
		val := strings.Join(arg.Vals, " ")
		switch arg.Key {
		case "round":
			p.Round = parseInt(t, val)
		case "invited":
			p.Invited = parseShards(t, val)
		case "quorum":
			p.Policy.Quorum = parseInt(t, val)
		case "grace":
			p.Policy.Grace = parseDuration(t, val)
		case "deadline":
			p.Policy.Deadline = parseDuration(t, val)
		case "give-up":
			p.Policy.GiveUp = parseDuration(t, val)
		case "task-limit":
			p.Policy.TaskLimit = parseDuration(t, val)
		case "leave-out":
			p.Policy.OnDivergence = LeaveOutShard
		case "adaptive":
			adaptive.K = float64(parseInt(t, val))
		case "least":
			adaptive.Least = parseInt(t, val)
		case "floor":
			adaptive.Floor = parseDuration(t, val)
		default:
			t.Fatalf("unknown argument %q", arg.Key)
		}
	}
	if adaptive.K > 0 {
		p.Policy.Deadline, p.Policy.Basis = adaptive.Deadline(times.All())
	}
	return p
}

func parseTime(t *testing.T, d *datadriven.TestData) time.Time {
	var at string
	d.ScanArgs(t, "at", &at)
	return epoch.Add(parseDuration(t, at))
}

func parseEvents(t *testing.T, m *Machine, text string) []Event {
	var evs []Event
	for line := range strings.Lines(text) {
		evs = append(evs, parseEvent(t, m, strings.TrimSpace(line)))
	}
	return evs
}

// parseEvent reads one of
//
//	join 1 name [slots=2] [serves=0-4]
//	lost 1 | why
//	trained|holds|answered 1: 0-3 7
//	trains 1: 5                        Trained with the first 5 tasks that it has
//	refused|dropped 1: 0-3 7 | why
//	diverged 1: 3 step 12 | detail
//	tick
func parseEvent(t *testing.T, m *Machine, line string) Event {
	line, why, _ := strings.Cut(line, " | ")
	verb, rest, _ := strings.Cut(line, " ")
	head, tail, _ := strings.Cut(rest, ":")
	if verb == "join" {
		return parseJoin(t, strings.Fields(rest))
	}
	if verb == "tick" {
		return Tick{}
	}
	id := parseID(t, head)
	switch verb {
	case "lost":
		return Lost{id, why}
	case "trained":
		return Trained{id, parseShards(t, tail)}
	case "trains":
		return Trained{id, m.training(id)[:parseInt(t, tail)]}
	case "holds":
		return Holds{id, parseShards(t, tail)}
	case "answered":
		return Answered{id, parseShards(t, tail)}
	case "refused":
		return Refused{id, parseShards(t, tail), why}
	case "dropped":
		return Dropped{id, parseShards(t, tail), why}
	case "diverged":
		shard, step, _ := strings.Cut(tail, " step ")
		return Diverged{id, parseInt(t, shard), parseInt(t, step), why}
	}
	t.Fatalf("unknown event %q", line)
	return nil
}

// training returns the shards that are assigned to a session, ascending.
func (m *Machine) training(id WorkerID) []int {
	var shards []int
	for i, s := range m.state {
		if s == assigned && m.holder[i].ID == id {
			shards = append(shards, m.plan.Invited[i])
		}
	}
	return shards
}

func parseJoin(t *testing.T, words []string) Event {
	w := Worker{ID: parseID(t, words[0]), Name: words[1], Slots: 1, Serves: AllShards()}
	for _, word := range words[2:] {
		key, val, _ := strings.Cut(word, "=")
		switch key {
		case "slots":
			w.Slots = parseInt(t, val)
		case "serves":
			set, err := NewShardSet(ranges(parseShards(t, strings.ReplaceAll(val, ",", " ")))...)
			if err != nil {
				t.Fatal(err)
			}
			w.Serves = set
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	return Joined{w}
}

// parseShards reads "0-3 7", in the order given.
func parseShards(t *testing.T, text string) []int {
	var shards []int
	for _, word := range strings.Fields(text) {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		for s := parseInt(t, first); s <= parseInt(t, last); s++ {
			shards = append(shards, s)
		}
	}
	return shards
}

func parseID(t *testing.T, text string) WorkerID { return WorkerID(parseInt(t, text)) }

func parseInt(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseDuration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
