// Package fedavg reproduces McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from Decentralized Data":
// rounds to a target accuracy on MNIST, cell by cell of their Tables 1 and 2.
//
// Rules. The target is the spec's stop.accuracy, the test set decides, and a curve is read as theirs are: made monotone, with
// the crossing interpolated between two rounds. The learning rate of a cell is the best of a fixed few on the first seed, which
// also is what the paper does; a rate is given up once it is behind the best so far. A run that never gets there counts with
// the rounds that it was given, so that what is said of it is a bound from below.
package fedavg
