// Package entropy reproduces Kulathunga et al. 2021, "Effects of Nonlinearity and Network Architecture on the Performance of
// Supervised Neural Networks" (Algorithms 14(2):51): accuracy, loss and the entropy of activations under leaky ReLUs of slope
// a, from 0 (ReLU) towards 1 (linear).
//
// Rules. One shard trains alone, so that what is measured is plain SGD or Adam. Arms differ in the slope (or the depth) and in
// nothing else: start model and batches are those of the seed. Accuracy is the mean over the last fifth of the evaluations,
// since that of the last model alone swings by more than the slopes change it. The entropy is that of mini-batches as they are
// trained on. Unlike the authors' code no ReLU is applied to the logits, which made classes die.
package entropy
