// Package lowrank measures the claims of Galanti, Siegel, Gupte and Poggio, "SGD with Weight Decay Secretly Minimizes the Ranks
// of Your Neural Networks": mini-batch gradients have small rank, weight decay forgets old ones, so what is left has small rank
// up to eps.
//
// Rules. Ranks are eps-ranks after division by the Frobenius norm, or effective ranks, and always named; means are over all
// weights but the classifier (convention M9). Weight decay is torch's, so that a step multiplies the weight by 1 - lr wd. Trends
// are compared between runs that have learned their training set (the gate), with Lambda, the sum of lr wd over the steps, beside
// them. Identities and bounds run in float64 and in float32.
package lowrank
