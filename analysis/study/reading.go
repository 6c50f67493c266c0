package study

// Reading is one number that was measured of a round: a row of the long table of a run. Quantity, layer, shard and step name it.
type Reading struct {
	Quantity string // "entropy", "dead_units"; with a dot where it has parts: "curve.accuracy"
	Layer    string // of the module or tensor, as export names it; empty: the whole model
	Shard    int    // whose model; Average: that of the average, or a number over shards
	Step     int    // local step in the round, from 1; Whole: of the round. In averaging curves: how many models were averaged
	Value    float64
}

// Values of Reading.Shard and Reading.Step that are no shard and no step.
const (
	Average = -1
	Whole   = 0
)

// Missing says why a quantity was not measured.
type Missing struct {
	Quantity string
	Reason   string
}
