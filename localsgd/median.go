package localsgd

// Median is the coordinate-wise median (Yin et al. 2018, Definition 1): of an even number of values the mean of the two in
// the middle. Updates are of one weight whatever the weighting.
type Median struct{}

// Name returns "median".
func (Median) Name() string { return "median" }

// TakesMean is false.
func (Median) TakesMean() bool { return false }

// State returns nil.
func (Median) State() []StateBlock { return nil }

// Step does nothing: the next model is what Combine wrote.
func (Median) Step(*ServerStep) {}

// Least is 1.
func (Median) Least() int { return 1 }

// Combine implements Combiner.
func (Median) Combine(c *Combination) error { return c.middleMean((len(c.Updates.Shares()) - 1) / 2) }
