package study

// Reading is one number that was measured of a round: a row of the long table of a run. Quantity, layer, shard and step name it.
type Reading struct {
	Quantity string // "entropy", "units.dead"; with a dot where it has parts: "curve.accuracy"; see the package's list
	Layer    string // of the module or tensor, as export names it; empty: the whole model
	Shard    int    // whose model; Average: that of the average, or a number over shards
	Step     int    // local step in the round, from 1; Whole: of the round. In averaging curves: how many models were averaged. Of singular values: which
	Model    string // the average model that the number is of, or compares with: Mean, Next or Measured; empty: it needs none
	Value    float64
}

// Average models (M1). They are the same where the rule takes the mean and all participants are measured.
const (
	Mean     = "mean"     // of the ends of all participants, before the server's step
	Next     = "next"     // what the round made
	Measured = "measured" // the mean of the measured local models alone, or of the first so many of them
)

// Values of Reading.Shard and Reading.Step that are no shard and no step.
const (
	Average = -1
	Whole   = 0
)

// Missing says why a quantity, or all of a study where Quantity is its name, was not measured.
type Missing struct {
	Quantity string
	Reason   string
}

// place is where a number belongs.
type place struct {
	layer       string
	shard, step int
	model       string
}

var whole = place{shard: Average, step: Whole}

// of returns the place of a local model, or with Average of the average.
func of(shard int) place { return place{shard: shard} }

// against returns the place of a number that needs an average model.
func (p place) against(model string) place {
	p.model = model
	return p
}

// in returns the place in a layer.
func (p place) in(layer string) place {
	p.layer = layer
	return p
}

// at returns the place at a step.
func (p place) at(step int) place {
	p.step = step
	return p
}
