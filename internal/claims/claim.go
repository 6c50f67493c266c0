package claims

import "context"

// Kind says what a verdict of a claim rests on.
type Kind string

// The kinds. Exact: a bound that no measurement may break. Trend: an effect over paired seeds. Drawn: a figure or table without
// a verdict. Untestable: what this laboratory cannot measure, with the reason.
const (
	Exact      Kind = "exact"
	Trend      Kind = "trend"
	Drawn      Kind = "drawn"
	Untestable Kind = "not testable here"
)

// Verdict is what came of a claim.
type Verdict string

// The verdicts. Shown is that of claims that are drawn.
const (
	Holds        Verdict = "holds"
	Fails        Verdict = "fails"
	Inconclusive Verdict = "inconclusive"
	NotTestable  Verdict = "not testable here"
	Shown        Verdict = "drawn, no verdict"
)

// Claim is one statement, the spec that it is measured with, and the analysis.
type Claim struct {
	Paper    string // "low-rank", a name of Papers
	ID       string // "P1.14": its spec is ID.yaml of the specs
	Text     string // the claim in one plain sentence
	Kind     Kind
	Source   string // where it is stated: paper, theorem or equation
	Evidence string // how well the statement is known: "verified", "derived", "from memory"
	// Varies are the paths of the spec that the analysis sets itself, whatever they were: the user's change of one would be lost in
	// silence. What it takes in proportion to the spec's value is none.
	Varies []string
	// Measure measures the claim. It takes everything from the laboratory, and every choice that the verdict depends on from
	// constants beside it. An error is a failure to measure, not a failed claim.
	Measure func(ctx context.Context, lab *Lab) (*Outcome, error)
}

// Outcome is what was measured of a claim.
type Outcome struct {
	Setup     string // networks, data, sizes: enough to judge the number
	Predicted string
	Measured  string
	Effect    *float64
	CI95      *[2]float64
	Threshold *float64
	Gate      *Gate
	Seeds     int
	Verdict   Verdict
	Why       string // what decided, or what keeps the verdict from being more
}

// Gate says which runs were compared.
type Gate struct {
	Rule          string
	Kept, Dropped int
}

// Paper is a group of claims that are reproduced, tabulated and drawn together.
type Paper struct {
	Name   string // as on the command line
	Title  string
	Claims []Claim
}
