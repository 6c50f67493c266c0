package papers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fedrelu/fedrelu/internal/claims"
)

// Result is what came of a claim: an outcome, or why there is none.
type Result struct {
	Claim   claims.Claim
	Outcome *claims.Outcome // nil with Err
	Err     error
	Took    time.Duration
}

// Failed tells whether a claim must not be passed over in silence: an exact one that is violated, or one that could not be
// measured. Trends may fail: that is a finding. An exact claim that says nothing of the user's network or data is neither.
func (r Result) Failed() bool {
	if r.Err != nil || r.Claim.Kind != claims.Exact {
		return r.Err != nil
	}
	return r.Outcome.Verdict != claims.Holds && r.Outcome.Verdict != claims.NotTestable
}

// Report is what came of a paper.
type Report struct {
	Paper   claims.Paper
	Results []Result // of the claims in their order; fewer if the context ended
	Figures []claims.Drawing
	Tables  []claims.Table
	Took    time.Duration
}

// CheckSpecs parses the specs of all claims with the changes of the laboratory, and returns what is wrong with them. A change of what
// the analysis of a claim varies itself is wrong: it would be lost in silence.
func CheckSpecs(chosen []claims.Paper, lab *claims.Lab) error {
	for _, p := range chosen {
		for _, c := range p.Claims {
			if c.Kind == claims.Untestable {
				continue
			}
			if path := claims.Overridden(lab.Set, c.Varies); path != "" {
				return fmt.Errorf("claim %s: --set %s: the analysis of %s varies %s itself", c.ID, path, c.ID, strings.Join(c.Varies, ", "))
			}
			if _, err := lab.Spec(c.ID); err != nil {
				return fmt.Errorf("claim %s: %w", c.ID, err)
			}
		}
	}
	return nil
}

// Measure measures the claims of a paper one after the other. begin is called before each claim, end after it. When the
// context ends, so does Measure, with the results so far.
func Measure(ctx context.Context, paper claims.Paper, lab *claims.Lab, begin func(claims.Claim), end func(Result)) Report {
	r := Report{Paper: paper}
	started := time.Now()
	for _, c := range paper.Claims {
		begin(c)
		result := measure(ctx, c, lab)
		if ctx.Err() != nil {
			break
		}
		r.Results = append(r.Results, result)
		end(result)
	}
	r.Figures, r.Tables, r.Took = lab.Figures(), lab.Tables(), time.Since(started)
	return r
}

func measure(ctx context.Context, c claims.Claim, lab *claims.Lab) Result {
	started := time.Now()
	o, err := c.Measure(ctx, lab)
	if err == nil && o == nil {
		err = fmt.Errorf("claim %s has no outcome", c.ID)
	}
	return Result{Claim: c, Outcome: o, Err: err, Took: time.Since(started)}
}
