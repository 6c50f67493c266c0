package view_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// told returns a story of the events, and the numbers of the rounds that it gave back after each.
func told(t *testing.T, events ...control.Event) (*view.Story, [][]int) {
	t.Helper()
	var s view.Story
	var given [][]int
	for _, e := range events {
		rounds, err := s.Add(e)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, r := range rounds {
			numbers = append(numbers, r.Number)
		}
		given = append(given, numbers)
	}
	return &s, given
}

func TestStoryHoldsRoundsBackUntilTheyAreMeasured(t *testing.T) {
	run := testRun(t, record.Running, "")
	c := newChain(t, run)
	s, given := told(t, control.Event{Run: &run}, c.round(0), c.measured(0), c.round(1), c.round(2), c.measured(1), c.measured(2), c.round(3))
	want := [][]int{nil, nil, {0}, nil, nil, {1}, {2}, nil}
	for i := range want {
		if len(given[i]) != len(want[i]) || len(want[i]) > 0 && given[i][0] != want[i][0] {
			t.Errorf("event %d: got rounds %v, want %v", i, given[i], want[i])
		}
	}
	if rest := s.Rest(); len(rest) != 1 || rest[0].Number != 3 || len(s.Rest()) != 0 {
		t.Errorf("at the end %d rounds are left, want round 3, once", len(rest))
	}
	if s.Next != 7 || s.Up != 24_000_000 || s.Down != 4_800_000 || s.Last.Number != 3 || s.Measured.Round != 2 {
		t.Errorf("the story ends with %+v", s)
	}
}

func TestStoryDoesNotWaitForEverForMeasurements(t *testing.T) {
	run := testRun(t, record.Running, "")
	c := newChain(t, run)
	events := []control.Event{{Run: &run}}
	for n := range 8 {
		events = append(events, c.round(n))
	}
	_, given := told(t, events...)
	if got := given[len(given)-1]; len(got) != 1 || got[0] != 3 {
		t.Errorf("with round 7 the story gave %v, want round 3", got)
	}
}

func TestStoryIgnoresEntriesThatItKnows(t *testing.T) {
	run := testRun(t, record.Running, "")
	c := newChain(t, run)
	zero, measured, one := c.round(0), c.measured(0), c.round(1)
	s, _ := told(t, control.Event{Run: &run}, zero, measured, one, zero, measured, one)
	if s.Up != 8_000_000 || s.Last.Number != 1 {
		t.Errorf("an entry counted twice: %d bytes up, last round %d", s.Up, s.Last.Number)
	}
}

func TestResultDocument(t *testing.T) {
	run := testRun(t, record.Completed, "")
	c := newChain(t, run)
	s, _ := told(t, control.Event{Run: &run}, c.round(0), c.round(1))
	const want = `{
 "run": "run0",
 "status": "completed",
 "rounds": 1,
 "test_accuracy": 0.51,
 "test_loss": 0.5,
 "model_sha256": "01ab000000000000000000000000000000000000000000000000000000000000",
 "wall_seconds": 90,
 "bytes_up": 8000000,
 "bytes_down": 1600000,
 "peak_rss_bytes": 12345
}
`
	if got := document(t, s.Result(12345)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s, _ = told(t, control.Event{Run: &run})
	const none = `{
 "run": "run0",
 "status": "completed",
 "rounds": 0,
 "test_accuracy": null,
 "test_loss": null,
 "model_sha256": null,
 "wall_seconds": 90,
 "bytes_up": 0,
 "bytes_down": 0,
 "peak_rss_bytes": null
}
`
	if got := document(t, s.Result(0)); got != none {
		t.Errorf("got\n%s\nwant\n%s", got, none)
	}
}

func TestSummary(t *testing.T) {
	run := testRun(t, record.Completed, "")
	run.Reason = "reached\x1b[31m accuracy 0.5"
	c := newChain(t, run)
	s, _ := told(t, control.Event{Run: &run}, c.round(0), c.round(1))
	var out bytes.Buffer
	if err := s.WriteSummary(&out); err != nil {
		t.Fatal(err)
	}
	want := `run       run0  tiny
status    completed: reached [31m accuracy 0.5
rounds    1 in 1m30s
accuracy  0.5100 on the test set
loss      0.5000 on the test set
model     01ab000000000000000000000000000000000000000000000000000000000000
traffic   8.0MB up, 1.6MB down
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestRoundLine(t *testing.T) {
	measured := testMeasured(7)
	committed := 0.0625
	bare := testRound(7)
	bare.TestLoss, bare.TestAccuracy, bare.TrainLoss, bare.Missing = nil, nil, nil, nil
	large := testRound(7)
	huge := 123456.0
	large.TestLoss = &huge
	for _, c := range []struct {
		name string
		r    record.RoundHistory
		want string
	}{
		{"everything", record.RoundHistory{Round: testRound(7), Measured: &measured, Commit: &committed},
			"round   7/100  loss 0.1250  acc 0.5700  train_loss 0.2500  drift_rel 0.41  eff_rank 6.2  1.0s  up 8.0MB down 1.6MB  without 1 shard (1 late)"},
		{"nothing measured", record.RoundHistory{Round: bare}, "round   7/100  0.9s  up 8.0MB down 1.6MB"},
		{"a large loss", record.RoundHistory{Round: large},
			"round   7/100  loss 1.235e+05  acc 0.5700  train_loss 0.2500  0.9s  up 8.0MB down 1.6MB  without 1 shard (1 late)"},
		{"the start", record.RoundHistory{Round: testRound(0)}, "round   0/100  loss 1.0000  acc 0.5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := view.RoundLine(&c.r, 100); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// running is the story of a run after round 2, with something going on.
func running(t *testing.T, more string, p *control.Progress) *view.Story {
	t.Helper()
	run := testRun(t, record.Running, more)
	c := newChain(t, run)
	events := []control.Event{{Run: &run}, c.round(0), c.round(1), c.measured(1), c.round(2)}
	if p != nil {
		events = append(events, control.Event{Progress: p})
	}
	s, _ := told(t, events...)
	return s
}

func TestLiveLine(t *testing.T) {
	training := &control.Progress{Round: 3, Phase: "train", Invited: 10, Answered: 7, WaitingFor: "answers of 3 shards"}
	giveUp := &control.Progress{Round: 3, Phase: "train", Invited: 10, WaitingFor: "no worker can serve\nshards 3 and 4", Until: noon.Add(598 * time.Second)}
	for _, c := range []struct {
		name  string
		s     *view.Story
		width int
		want  string
	}{
		{"wide", running(t, "", training), 200,
			"round 2/12  loss 0.333  acc 0.5200  drift 0.41  eff rank 6.2  up 16MB down 3.2MB  ETA 9.4s  answers of 3 shards"},
		{"80 columns", running(t, "", training), 79, "2/12  loss 0.333  acc 0.5200  drift 0.41  rank 6.2  19MB  ETA 9.4s  train 7/10"},
		{"60 columns", running(t, "", training), 59, "2/12  loss 0.333  acc 0.5200  eff rank 6.2  ETA 9.4s  7/10"},
		{"nearly nothing", running(t, "", training), 4, "2/12"},
		{"less than that", running(t, "", training), 3, "2/…"},
		{"may stop before", running(t, "stop: {accuracy: 0.9}\n", nil), 79,
			"round 2/12  loss 0.333  acc 0.5200  drift 0.41  eff rank 6.2  19MB  ETA <9.4s"},
		{"a wait that ends", running(t, "", giveUp), 79,
			"2/12  loss 0.333  acc 0.5200  9m58s left: no worker can serve shards 3 and 4"},
		{"a wait in little room", running(t, "", giveUp), 40, "2/12  9m58s left: no worker can serve s…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.s.LiveLine(c.width, noon.Add(-time.Second)) // a wait is said once it has lasted
			if got := c.s.LiveLine(c.width, noon); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestLiveLineDoesNotAlarmForAMoment(t *testing.T) {
	s := running(t, "", &control.Progress{Phase: "train", Invited: 10, WaitingFor: "no worker", Until: noon.Add(time.Minute)})
	for _, step := range []struct {
		at   time.Duration
		want string
	}{{0, "train 0/10"}, {settle - 1, "train 0/10"}, {settle, "59s left: no worker"}} {
		if got := s.LiveLine(200, noon.Add(step.at)); !strings.HasSuffix(got, step.want) {
			t.Errorf("after %v: %s, want %s at the end", step.at, got, step.want)
		}
	}
	if _, err := s.Add(control.Event{Progress: &control.Progress{Phase: "train", Invited: 10, Answered: 1}}); err != nil {
		t.Fatal(err)
	}
	s.LiveLine(200, noon)
	if _, err := s.Add(control.Event{Progress: &control.Progress{Phase: "train", Invited: 10, WaitingFor: "no worker", Until: noon.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if got := s.LiveLine(200, noon.Add(settle)); !strings.HasSuffix(got, "train 0/10") {
		t.Errorf("a new wait is said at once: %s", got)
	}
}

// settle is how long a wait lasts before it is said.
const settle = time.Second

func TestLiveLineBeforeTheStart(t *testing.T) {
	run := testRun(t, record.Queued, "")
	s, _ := told(t, control.Event{Run: &run})
	if got := s.LiveLine(80, noon); got != "queued" {
		t.Errorf("got %q, want queued", got)
	}
}

func TestLiveLineFitsAlways(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := &control.Progress{
			Phase: rapid.StringN(0, 12, -1).Draw(rt, "phase"), WaitingFor: rapid.StringN(0, 90, -1).Draw(rt, "waiting"),
			Invited: rapid.IntRange(0, 1000).Draw(rt, "invited"), Answered: rapid.IntRange(0, 1000).Draw(rt, "answered"),
		}
		if rapid.Bool().Draw(rt, "bounded") {
			p.Until = noon.Add(time.Duration(rapid.IntRange(-1000, 100000).Draw(rt, "seconds")) * time.Second)
		}
		width := rapid.IntRange(1, 200).Draw(rt, "width")
		line := running(t, "", p).LiveLine(width, noon)
		if n := utf8.RuneCountInString(line); n > width {
			rt.Fatalf("%d characters in a width of %d: %s", n, width, line)
		}
		if strings.ContainsAny(line, "\n\r\x1b") {
			rt.Fatalf("control characters in %q", line)
		}
	})
}
