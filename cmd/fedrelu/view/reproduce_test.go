package view_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/figure"
	"github.com/fedrelu/fedrelu/internal/papers"
)

func some(v float64) *float64 { return &v }

// claimReport has a claim of each sort: with everything, with nothing, and without an outcome.
func claimReport() papers.Report {
	full := &claims.Outcome{Setup: "a set-up of " + strings.Repeat("many words ", 20), Predicted: "below <1>", Measured: "0.5", Effect: some(0.5),
		CI95: &[2]float64{0.4, 0.6}, Threshold: some(1), Gate: &claims.Gate{Rule: "accuracy", Kept: 4, Dropped: 1}, Seeds: 5, Verdict: claims.Holds, Why: "it lies below"}
	bare := &claims.Outcome{Effect: some(math.NaN()), CI95: &[2]float64{math.Inf(-1), 1}, Verdict: claims.Fails}
	return papers.Report{
		Paper: claims.Paper{Name: "p", Title: "A paper"},
		Results: []papers.Result{
			{Claim: claims.Claim{ID: "X1", Text: "It falls & <rises>.", Kind: claims.Trend, Source: "s", Evidence: "derived"}, Outcome: full, Took: time.Minute},
			{Claim: claims.Claim{ID: "X2", Text: "It is exact.", Kind: claims.Exact, Source: "s", Evidence: "derived"}, Outcome: bare},
			{Claim: claims.Claim{ID: "X3", Text: "It breaks.", Kind: claims.Trend, Source: "s", Evidence: "derived"}, Err: errors.New("no data")},
		},
		Figures: []claims.Drawing{{Name: "p", Figure: &figure.Figure{Title: "drawn"}}},
		Tables:  []claims.Table{{Name: "t", Columns: []string{"a", "b"}, Rows: [][]string{{"1", "x, y"}}}},
	}
}

// TestReproduceJSON: every key is there for every claim, what there is none of is null, also where a number is not finite.
func TestReproduceJSON(t *testing.T) {
	var out bytes.Buffer
	if err := view.WriteJSON(&out, view.NewReproduce([]papers.Report{claimReport()})); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Claims []map[string]json.RawMessage `json:"claims"`
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || len(d.Claims) != 3 {
		t.Fatalf("%v in %s", err, out.String())
	}
	want := map[string][3]string{
		"paper": {`"p"`, `"p"`, `"p"`}, "id": {`"X1"`, `"X2"`, `"X3"`}, "claim": {`"It falls & <rises>."`, `"It is exact."`, `"It breaks."`}, "kind": {`"trend"`, `"exact"`, `"trend"`},
		"evidence": {`"derived"`, `"derived"`, `"derived"`}, "setup": {"", "null", "null"}, "predicted": {`"below <1>"`, "null", "null"}, "measured": {`"0.5"`, "null", "null"},
		"effect": {"0.5", "null", "null"}, "ci95": {"[0.4,0.6]", "null", "null"}, "threshold": {"1", "null", "null"}, "gate": {`{"rule":"accuracy","kept":4,"dropped":1}`, "null", "null"},
		"seeds": {"5", "0", "0"}, "exact": {"false", "true", "false"}, "verdict": {`"holds"`, `"fails"`, `"not measured"`}, "why": {`"it lies below"`, `""`, `"no data"`},
	}
	for i, c := range d.Claims {
		if len(c) != len(want) {
			t.Errorf("claim %d has %d keys, want %d: %v", i, len(c), len(want), c)
		}
		for key, values := range want {
			if got := string(c[key]); got != values[i] && values[i] != "" {
				t.Errorf("claim %d: %s is %s, want %s", i, key, got, values[i])
			}
		}
	}
}

// TestPaperFitsItsWidth: no line of the text for people is wider than the terminal, and nothing of a claim is lost.
func TestPaperFitsItsWidth(t *testing.T) {
	for _, width := range []int{60, 80, 100, 400} {
		var out bytes.Buffer
		if err := view.WritePaper(&out, claimReport(), width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > min(width, 110) {
				t.Errorf("width %d: a line of %d characters: %s", width, n, line)
			}
		}
		if n := strings.Count(strings.Join(strings.Fields(out.String()), " "), "many words"); n < 18 {
			t.Errorf("width %d: %d of 20 pairs of words", width, n)
		}
		for _, part := range []string{"X1          HOLDS", "1m00s", "effect    0.5 [0.4, 0.6], threshold 1, 5 seeds", "gate      accuracy: kept 4, dropped 1", "X2          FAILS", "X3          NOT MEASURED", "why       no data"} {
			if !strings.Contains(out.String(), part) {
				t.Errorf("width %d: no %q in\n%s", width, part, out.String())
			}
		}
	}
}

func TestReproduceSummary(t *testing.T) {
	d := view.NewReproduce([]papers.Report{claimReport()})
	if got, want := d.Summary(), "3 claims: 1 holds, 1 fails (X2), 1 not measured (X3)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !d.Claims[1].Failed || !d.Claims[2].Failed || d.Claims[0].Failed {
		t.Errorf("failed: %v %v %v", d.Claims[0].Failed, d.Claims[1].Failed, d.Claims[2].Failed)
	}
}

// TestClaimsPage: the page carries its figures, escapes what claims say, and loads nothing.
func TestClaimsPage(t *testing.T) {
	var out bytes.Buffer
	if err := (view.ClaimsPage{Command: "fedrelu reproduce p", Build: "test", Reports: []papers.Report{claimReport()}}).Write(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, part := range []string{"It falls &amp; &lt;rises&gt;.", "below &lt;1&gt;", "<svg xmlns", ">drawn</text>", `href="p-t.csv"`, `class="verdict not-measured"`, "1 rows of a, b"} {
		if !strings.Contains(page, part) {
			t.Errorf("no %q in the page", part)
		}
	}
	for _, load := range []string{"<script", "<link", "src=", "@import"} {
		if strings.Contains(page, load) {
			t.Errorf("the page has %q", load)
		}
	}
	var table bytes.Buffer
	if err := view.WriteCSV(&table, claimReport().Tables[0]); err != nil || table.String() != "a,b\n1,\"x, y\"\n" {
		t.Errorf("table %q, %v", table.String(), err)
	}
}
