package async

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// TestTranscripts plays the files of testdata. A task is written 3@7, shard 3 from the model of round 7. The commands are
//
//	new capacity=2 oldest=1 tasks=3 [give-up=10m] [task-limit=1m] [leave-out]
//	step at=2s      events, one a line (see parseEvent); prints the actions
//	push at=2s      "<session>: <task>", a push that the owner counts if it is accepted; prints the refusal or the actions
//	wait            prints what the run waits for, until when, and when it wants to wake
//	progress        prints the counts, and the versions that running tasks start from
//
// and `go test -rewrite` rewrites the expectations.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return
		}
		var m *Machine
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				var err error
				if m, err = New(parsePlan(t, d), epoch); err != nil {
					return err.Error() + "\n"
				}
				return ""
			case "step":
				var events []Event
				for line := range strings.Lines(d.Input) {
					events = append(events, parseEvent(t, strings.TrimSpace(line)))
				}
				return lines(m.Step(parseTime(t, d), events...))
			case "push":
				head, tail, _ := strings.Cut(d.Input, ":")
				id, task := parseID(t, head), parseTask(t, strings.TrimSpace(tail))
				if err := m.Accepts(id, task); err != nil {
					return "refused: " + err.Error() + "\n"
				}
				return lines(m.Step(parseTime(t, d), Answered{id, task}))
			case "wait":
				return describeWait(m)
			case "progress":
				return fmt.Sprintf("%+v, from %v\n", m.Progress(), m.Running())
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

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
	s := fmt.Sprintf("%s\nshards %v, workers %v, since %s", w.Reason, w.Shards, w.Workers, w.Since.Sub(epoch))
	if !w.Until.IsZero() {
		s += ", until " + w.Until.Sub(epoch).String()
	}
	if wake, ok := m.Wake(); ok {
		s += ", wake at " + wake.Sub(epoch).String()
	}
	return s + "\n"
}

func parsePlan(t *testing.T, d *datadriven.TestData) Plan {
	p := Plan{Policy: Policy{GiveUp: 10 * time.Minute}}
	for _, arg := range d.CmdArgs {
		val := strings.Join(arg.Vals, " ")
		switch arg.Key {
		case "capacity":
			p.Capacity = parseInt(t, val)
		case "oldest":
			p.Oldest = parseInt(t, val)
		case "tasks":
			p.Tasks = parseInt(t, val)
		case "give-up":
			p.GiveUp = parseDuration(t, val)
		case "task-limit":
			p.TaskLimit = parseDuration(t, val)
		case "leave-out":
			p.OnDivergence = round.LeaveOutShard
		default:
			t.Fatalf("unknown argument %q", arg.Key)
		}
	}
	return p
}

// parseEvent reads one of
//
//	open 3: 1 0 2 | 1@1 0@0            candidates by shard, from the model of round 2; what counted before
//	again 3: 1@1 0@2                   the recorded tasks of a round that is made again
//	join 1 name [slots=2] [serves=0-4]
//	lost 1 | why
//	trained|holds 1: 3@7
//	refused|dropped 1: 3@7 | why
//	diverged 1: 3@7 step 12 | detail
//	tick
func parseEvent(t *testing.T, line string) Event {
	line, why, _ := strings.Cut(line, " | ")
	verb, rest, _ := strings.Cut(line, " ")
	head, tail, _ := strings.Cut(rest, ": ")
	switch verb {
	case "join":
		return parseJoin(t, strings.Fields(rest))
	case "tick":
		return Tick{}
	case "open", "again":
		return parseOpened(t, verb, parseInt(t, head), tail, why)
	}
	id := parseID(t, head)
	switch verb {
	case "lost":
		return Lost{id, why}
	case "trained":
		return Trained{id, parseTask(t, tail)}
	case "holds":
		return Holds{id, parseTask(t, tail)}
	case "refused":
		return Refused{id, parseTask(t, tail), why}
	case "dropped":
		return Dropped{id, parseTask(t, tail), why}
	case "diverged":
		task, step, _ := strings.Cut(tail, " step ")
		return Diverged{id, parseTask(t, task), parseInt(t, step), why}
	}
	t.Fatalf("unknown event %q", line)
	return nil
}

func parseOpened(t *testing.T, verb string, number int, candidates, counted string) Opened {
	e := Opened{Round: number, Only: verb == "again"}
	for _, word := range strings.Fields(candidates) {
		if e.Only {
			e.Candidates = append(e.Candidates, parseTask(t, word))
		} else {
			e.Candidates = append(e.Candidates, Task{number - 1, parseInt(t, word)})
		}
	}
	for _, word := range strings.Fields(counted) {
		e.Counted = append(e.Counted, parseTask(t, word))
	}
	return e
}

func parseJoin(t *testing.T, words []string) Event {
	w := round.Worker{ID: parseID(t, words[0]), Name: words[1], Slots: 1, Serves: round.AllShards()}
	for _, word := range words[2:] {
		key, val, _ := strings.Cut(word, "=")
		switch key {
		case "slots":
			w.Slots = parseInt(t, val)
		case "serves":
			first, last, _ := strings.Cut(val, "-")
			set, err := round.NewShardSet(round.Range{First: parseInt(t, first), Last: parseInt(t, last)})
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

func parseTask(t *testing.T, text string) Task {
	t.Helper()
	shard, version, _ := strings.Cut(text, "@")
	return Task{Version: parseInt(t, version), Shard: parseInt(t, shard)}
}

func parseTime(t *testing.T, d *datadriven.TestData) time.Time {
	var at string
	d.ScanArgs(t, "at", &at)
	return epoch.Add(parseDuration(t, at))
}

func parseID(t *testing.T, text string) round.WorkerID { return round.WorkerID(parseInt(t, text)) }

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
