// Package noise measures how much training moves and how much of that is chance: relative changes of weights by step, round and
// epoch, the spread of mini-batch gradients, and how singular values fluctuate.
//
// Rules. Definitions are those of PAPERS.md P3 3.3 and convention M14. Everything is a pure function or an accumulator that
// takes one step, gradient or spectrum after the other and keeps memory for one model at most; sums are float64 and depend in
// their last bits on the order of what is added. A number that does not exist is nil. The same bits on every machine.
package noise
