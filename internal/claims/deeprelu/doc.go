// Package deeprelu measures the claims of Xu and Zhang on ReLU networks that converge as depth grows (PAPERS.md P2).
//
// Rules. States of the hidden layers come from the machines that train, never from a forward pass of this package's own; what
// they are compared with is computed here.
package deeprelu
