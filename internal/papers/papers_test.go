package papers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	claimspecs "github.com/fedrelu/fedrelu/examples/claims"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// index is what must be measured: the ids of each paper's claims. What a letter follows is written out.
var index = map[string][]string{
	"fedavg":         numbered("A1", 5),
	"low-rank":       without(numbered("P1", 14), "P1.11", "P1.12"),
	"deep-relu":      numbered("P2", 8),
	"sgd-vs-gd":      numbered("P3", 9),
	"entropy":        numbered("P4", 9),
	"splines":        numbered("P5", 9),
	"local-sgd":      numbered("P6", 9),
	"averaging-rank": {"P1.11", "P1.11c", "P1.12a", "P1.12b", "P1.12c", "P1.12d"},
}

func numbered(paper string, n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s.%d", paper, i+1))
	}
	return ids
}

func without(ids []string, others ...string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(others, id) })
}

// TestIndex: every claim of the index is there once, in its own paper, with all that a reader needs.
func TestIndex(t *testing.T) {
	seen := map[string]string{}
	for _, p := range All() {
		if p.Title == "" || index[p.Name] == nil {
			t.Errorf("paper %q (%s) is not in the index", p.Name, p.Title)
		}
		for _, c := range p.Claims {
			if other, twice := seen[c.ID]; twice {
				t.Errorf("%s is a claim of %s and of %s", c.ID, other, p.Name)
			}
			seen[c.ID] = p.Name
			if c.Text == "" || c.Source == "" || c.Evidence == "" || c.Measure == nil {
				t.Errorf("%s is not complete: %+v", c.ID, c)
			}
			if !slices.Contains([]claims.Kind{claims.Exact, claims.Trend, claims.Drawn, claims.Untestable}, c.Kind) {
				t.Errorf("%s is of kind %q", c.ID, c.Kind)
			}
		}
	}
	for paper, ids := range index {
		for _, id := range ids {
			if seen[id] != paper {
				t.Errorf("%s is missing in %s", id, paper)
			}
			delete(seen, id)
		}
	}
	for id, paper := range seen {
		t.Errorf("%s of %s is not in the index", id, paper)
	}
}

// TestSpecs: what a claim is measured with is a spec from which a run could begin, on data that is there.
func TestSpecs(t *testing.T) {
	lab := &claims.Lab{Specs: claimspecs.FS}
	want := map[string]bool{}
	for _, p := range All() {
		for _, c := range p.Claims {
			want[c.ID+".yaml"] = true
			if _, err := fs.Stat(claimspecs.FS, c.ID+".yaml"); err != nil && c.Kind == claims.Untestable {
				continue
			}
			s, err := lab.Setting(c.ID)
			if err != nil {
				t.Errorf("%s: %v", c.ID, err)
			} else if s.Job.Net.Parameters() == 0 {
				t.Errorf("%s: a network without parameters", c.ID)
			}
		}
	}
	names, err := fs.Glob(claimspecs.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !want[name] {
			t.Errorf("%s is the spec of no claim", name)
		}
	}
}

func ids(chosen []claims.Paper) string {
	var out []string
	for _, p := range chosen {
		for _, c := range p.Claims {
			out = append(out, c.ID)
		}
	}
	return strings.Join(out, " ")
}

func TestSelect(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"A1.3", "A1.3"}, {"a1.3", "A1.3"}, {"A1.3 A1.1 A1.3", "A1.1 A1.3"}, {"A1.2 fedavg", "A1.1 A1.2 A1.3 A1.4 A1.5"},
		{"", ids(All())}, {"all", ids(All())}, {"fedavg all", ids(All())},
	} {
		chosen, err := Select(strings.Fields(c.names))
		if err != nil || ids(chosen) != c.want {
			t.Errorf("%q: %s, %v, want %s", c.names, ids(chosen), err, c.want)
		}
	}
	for _, name := range []string{"P9.1", "A1", "fed", ""} {
		if _, err := Select([]string{name}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v, want ErrUnknown", name, err)
		}
	}
}

func outcome(v claims.Verdict) func(context.Context, *claims.Lab) (*claims.Outcome, error) {
	return func(context.Context, *claims.Lab) (*claims.Outcome, error) { return &claims.Outcome{Verdict: v}, nil }
}

// TestMeasure: an error and a missing outcome stop nothing, and only what a trend finds may be passed over.
func TestMeasure(t *testing.T) {
	broken := errors.New("no data")
	p := claims.Paper{Name: "p", Claims: []claims.Claim{
		{ID: "1", Kind: claims.Exact, Measure: outcome(claims.Holds)},
		{ID: "2", Kind: claims.Exact, Measure: outcome(claims.Fails)},
		{ID: "3", Kind: claims.Trend, Measure: outcome(claims.Fails)},
		{ID: "4", Kind: claims.Trend, Measure: func(context.Context, *claims.Lab) (*claims.Outcome, error) { return nil, broken }},
		{ID: "5", Kind: claims.Trend, Measure: func(context.Context, *claims.Lab) (*claims.Outcome, error) { return nil, nil }},
		{ID: "6", Kind: claims.Exact, Measure: outcome(claims.Inconclusive)},
	}}
	var begun, ended []string
	report := Measure(t.Context(), p, &claims.Lab{}, func(c claims.Claim) { begun = append(begun, c.ID) }, func(r Result) {
		if r.Failed() {
			ended = append(ended, r.Claim.ID)
		}
	})
	if got := strings.Join(begun, ""); got != "123456" || len(report.Results) != 6 {
		t.Errorf("begun %s, %d results", got, len(report.Results))
	}
	if got := strings.Join(ended, ""); got != "2456" {
		t.Errorf("%s failed, want 2456", got)
	}
	if !errors.Is(report.Results[3].Err, broken) {
		t.Errorf("error %v", report.Results[3].Err)
	}
}

// TestMeasureStops: what is interrupted has no result; what was measured before has.
func TestMeasureStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := claims.Paper{Claims: []claims.Claim{
		{ID: "1", Measure: outcome(claims.Holds)},
		{ID: "2", Measure: func(context.Context, *claims.Lab) (*claims.Outcome, error) { cancel(); return nil, ctx.Err() }},
		{ID: "3", Measure: outcome(claims.Holds)},
	}}
	if r := Measure(ctx, p, &claims.Lab{}, func(claims.Claim) {}, func(Result) {}); len(r.Results) != 1 {
		t.Errorf("%d results, want that of the first claim", len(r.Results))
	}
}

func TestCheckSpecs(t *testing.T) {
	chosen, err := Select([]string{"A1.1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckSpecs(chosen, &claims.Lab{Specs: claimspecs.FS, Set: []string{"local.batch=20"}}); err != nil {
		t.Error(err)
	}
	if err := CheckSpecs(chosen, &claims.Lab{Specs: claimspecs.FS, Set: []string{"local.bath=20"}}); err == nil || !strings.Contains(err.Error(), "bath") {
		t.Errorf("an unknown key: %v", err)
	}
}
