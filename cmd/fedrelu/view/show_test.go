package view_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// golden compares text with a file of testdata, which is literal: nothing here writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// document returns what WriteJSON writes, with line breaks for people, after checking that it is one line.
func document(t *testing.T, v any) string {
	t.Helper()
	var out, indented bytes.Buffer
	if err := view.WriteJSON(&out, v); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the document has %d line breaks, want one at the end", n)
	}
	if err := json.Indent(&indented, out.Bytes(), "", " "); err != nil {
		t.Fatal(err)
	}
	return indented.String()
}

// history is the start of a run, of which nothing was measured, and a round with everything.
func history() []*record.RoundHistory {
	zero := testRound(0)
	zero.TestAccuracy = nil
	measured, commit := testMeasured(1), 0.03125
	return []*record.RoundHistory{
		{Round: zero, Entry: tensor.Hash{0xee}},
		{Round: testRound(1), Entry: tensor.Hash{0xef}, Measured: &measured, Commit: &commit},
	}
}

func TestShowDocument(t *testing.T) {
	run := testRun(t, record.Failed, "")
	run.Reason = "the model of round 2 diverged"
	show, err := view.NewShow(run, history())
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.FromProto(run.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := s.MarshalJSON(); err != nil || string(show.Spec) != string(want) {
		t.Errorf("spec: got %s, want %s (%v)", show.Spec, want, err)
	}
	show.Spec = json.RawMessage(`{"see": "package spec"}`)
	golden(t, "show.json", document(t, show))
}

func TestShowOfARunWithoutRoundsHasEmptyLists(t *testing.T) {
	show, err := view.NewShow(testRun(t, record.Queued, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := document(t, show)
	for _, want := range []string{`"start": null`, `"rounds": []`, `"status": "queued"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func TestShowSaysWhyNothingWasMeasured(t *testing.T) {
	r := &record.RoundHistory{Round: testRound(1), Measured: &record.Measured{DriftReason: "nobody was there", LayersReason: "off"}}
	show, err := view.NewShow(testRun(t, record.Completed, ""), []*record.RoundHistory{r})
	if err != nil {
		t.Fatal(err)
	}
	if got := show.Rounds[0]; got.Drift.Reason == nil || *got.Drift.Reason != "nobody was there" || *got.LayersReason != "off" {
		t.Errorf("reasons %v and %v are missing", got.Drift.Reason, got.LayersReason)
	}
}

func TestRunForPeople(t *testing.T) {
	run := testRun(t, record.Completed, "")
	var out bytes.Buffer
	if err := view.WriteRounds(&out, history()); err != nil {
		t.Fatal(err)
	}
	want := `ROUND     ACC    LOSS   TRAIN  DRIFT  EFF RANK  TIME     UP   DOWN     MODEL
    0       -  1.0000       -      -         -     -      -      -  00ab0000
    1  0.5100  0.5000  0.2500   0.41       6.2  1.0s  8.0MB  1.6MB  01ab0000
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := view.WriteRun(&out, run, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"run      run0  tiny\n", "\n  rounds: 12\n", "no rounds yet\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestListDocument(t *testing.T) {
	run := testRun(t, record.Running, "")
	const want = `{
 "runs": [
  {
   "run": "run0",
   "name": "tiny",
   "status": "running",
   "reason": "",
   "created": "2026-05-04T03:02:01Z",
   "started": null,
   "ended": null,
   "wall_seconds": 90,
   "numerics": 1,
   "build": "test"
  }
 ]
}
`
	if got := document(t, view.NewList([]record.Run{run})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := document(t, view.NewList(nil)); got != "{\n \"runs\": []\n}\n" {
		t.Errorf("no runs: got\n%s", got)
	}
}

// Numbers at different average models stand under their own names: the drift's zeta^2 is that at its model, or none.
func TestEveryNumberSaysItsModel(t *testing.T) {
	run := testRun(t, record.Completed, "server: {fedavg: {lr: 0.5}}\n")
	rounds := history()
	rounds[1].Measured.Drift.Model = record.ModelNext
	show, err := view.NewShow(run, rounds)
	if err != nil {
		t.Fatal(err)
	}
	r := show.Rounds[0]
	if *r.Drift.Model != "next" || r.Drift.Heterogeneity != nil || *r.Readings[0].Model != "mean" || *r.Layers[0].Model != "next" {
		t.Errorf("drift %+v, the first reading %+v, the first layer of %v", r.Drift, r.Readings[0], *r.Layers[0].Model)
	}
	var out bytes.Buffer
	if err := view.WriteRun(&out, run, rounds); err != nil {
		t.Fatal(err)
	}
	const want = "\ndrift    from the model that the round made\nrank     of the model that the round made\nstudies  of the mean of the local models\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
}
