// Package localsteps reproduces Deng, Kamani, Mahdavi 2022, "Local SGD Optimizes Overparameterized Neural Networks in Polynomial
// Time" (AISTATS): local models drift apart, gradients at them differ from gradients at their average, and training gets there
// all the same.
//
// Rules. Two experiments. T1 is a wide network of one hidden layer in the scaling of the theory: second layer fixed at +-1/sqrt(m),
// whole shards, float64; it decides exact claims and laws. T2 is a perceptron on MNIST in float32; what is drawn of it has no
// verdict unless a claim says so. Local models are those of localsgd's runner: a round with one participant ends with its model.
// Losses here are mean squared errors without the paper's 1/2, so that its step eta is a learning rate of eta/2.
package localsteps
