// Package averagingrank measures what averaging does to the ranks of weights: the theorem that bounds the rank of the average of
// Local SGD for every number of local steps, the invariance of the average in linear models, the laws of random gradients, and
// what becomes of all this in networks.
//
// Rules. A rank is named with its eps, and where averages are compared with their members, with the crossover eps* beside it. H
// is the number of local steps between averages, K the number of workers, B the batch of one worker. Synchronous SGD, H = 1, is
// SGD with batch K B, as the theorem says, and in the grid of networks it is run as that.
package averagingrank
