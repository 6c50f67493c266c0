package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/papers"
)

func verdict(id string, kind claims.Kind, v claims.Verdict) papers.Result {
	return papers.Result{Claim: claims.Claim{ID: id, Kind: kind}, Outcome: &claims.Outcome{Verdict: v}}
}

// TestExitOfClaims: an exact claim that fails, and nothing else that was measured, makes the exit code 1; what was stopped
// has its own.
func TestExitOfClaims(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx    context.Context
		result papers.Result
		code   int
	}{
		{t.Context(), verdict("P3.1", claims.Exact, claims.Holds), 0},
		{t.Context(), verdict("P3.1", claims.Exact, claims.Fails), exitFailed},
		{t.Context(), verdict("P3.1", claims.Trend, claims.Fails), 0},
		{t.Context(), verdict("P3.1", claims.Trend, claims.Inconclusive), 0},
		{t.Context(), papers.Result{Claim: claims.Claim{ID: "P3.1"}, Err: errors.New("no data")}, exitFailed},
		{stopped, verdict("P3.1", claims.Exact, claims.Holds), exitStopped},
	} {
		var out bytes.Buffer
		a := &app{stdout: &out, console: view.NewConsole(io.Discard, nil)}
		reports := []papers.Report{{Results: []papers.Result{c.result, verdict("P3.2", claims.Exact, claims.Holds)}}}
		err := a.concludeClaims(c.ctx, &reproduction{}, reports)
		code := 0
		var coded *codeError
		if errors.As(err, &coded) {
			code = coded.code
		}
		if code != c.code || (err == nil) != (c.code == 0) {
			t.Errorf("%s %+v: %v, want exit code %d", c.result.Claim.Kind, c.result.Outcome, err, c.code)
		}
		if !strings.Contains(out.String(), "P3.1") {
			t.Errorf("the overview has no P3.1:\n%s", out.String())
		}
	}
}
