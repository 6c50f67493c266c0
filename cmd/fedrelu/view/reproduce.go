package view

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/papers"
)

// Reproduce is the document of `reproduce --json`.
type Reproduce struct {
	Claims []Claim `json:"claims"`
}

// Claim is a claim with what came of it, in the names that JSON has for it. What there is none of is null.
type Claim struct {
	Paper     string        `json:"paper"`
	ID        string        `json:"id"`
	Claim     string        `json:"claim"`
	Kind      claims.Kind   `json:"kind"`
	Evidence  string        `json:"evidence"`
	Setup     *string       `json:"setup"`
	Predicted *string       `json:"predicted"`
	Measured  *string       `json:"measured"`
	Effect    *float64      `json:"effect"`
	CI95      *[2]float64   `json:"ci95"`
	Threshold *float64      `json:"threshold"`
	Gate      *Gate         `json:"gate"`
	Seeds     int           `json:"seeds"`
	Exact     bool          `json:"exact"`
	Verdict   string        `json:"verdict"`
	Why       string        `json:"why"`
	Source    string        `json:"-"`
	Took      time.Duration `json:"-"`
	Failed    bool          `json:"-"`
}

// Gate says which runs of a claim were compared.
type Gate struct {
	Rule    string `json:"rule"`
	Kept    int    `json:"kept"`
	Dropped int    `json:"dropped"`
}

// NewReproduce returns the document of papers.
func NewReproduce(reports []papers.Report) Reproduce {
	d := Reproduce{Claims: []Claim{}}
	for _, r := range reports {
		for _, result := range r.Results {
			d.Claims = append(d.Claims, NewClaim(r.Paper.Name, result))
		}
	}
	return d
}

// NotMeasured is the verdict of a claim whose measurement ended in an error.
const NotMeasured = "not measured"

// NewClaim returns the document of a claim. Numbers that JSON cannot have are null.
func NewClaim(paper string, r papers.Result) Claim {
	c := Claim{Paper: paper, ID: r.Claim.ID, Claim: r.Claim.Text, Kind: r.Claim.Kind, Evidence: r.Claim.Evidence, Source: r.Claim.Source,
		Exact: r.Claim.Kind == claims.Exact, Took: r.Took, Failed: r.Failed()}
	if r.Err != nil {
		c.Verdict, c.Why = NotMeasured, r.Err.Error()
		return c
	}
	o := r.Outcome
	c.Setup, c.Predicted, c.Measured = filled(o.Setup), filled(o.Predicted), filled(o.Measured)
	c.Effect, c.Threshold, c.CI95 = finite(o.Effect), finite(o.Threshold), o.CI95
	if o.CI95 != nil && (finite(&o.CI95[0]) == nil || finite(&o.CI95[1]) == nil) {
		c.CI95 = nil
	}
	if o.Gate != nil {
		c.Gate = &Gate{o.Gate.Rule, o.Gate.Kept, o.Gate.Dropped}
	}
	c.Seeds, c.Verdict, c.Why = o.Seeds, string(o.Verdict), o.Why
	return c
}

func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// Summary says in a line how many claims have which verdict, and names those that did not hold.
func (d Reproduce) Summary() string {
	ids := map[string][]string{}
	for _, c := range d.Claims {
		ids[c.Verdict] = append(ids[c.Verdict], c.ID)
	}
	parts := []string{}
	for _, v := range []struct {
		verdict, words string
		names          bool
	}{
		{string(claims.Holds), "hold", false}, {string(claims.Fails), "fail", true}, {NotMeasured, "not measured", true},
		{string(claims.Inconclusive), "inconclusive", true}, {string(claims.Shown), "drawn", false}, {string(claims.NotTestable), "not testable here", true},
	} {
		some := ids[v.verdict]
		if len(some) == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", len(some), v.words)
		if len(some) == 1 && (v.words == "hold" || v.words == "fail") {
			part += "s"
		}
		if v.names {
			part += " (" + strings.Join(some, ", ") + ")"
		}
		parts = append(parts, part)
	}
	return plural(len(d.Claims), "claim") + ": " + strings.Join(parts, ", ")
}
