// Package kernel holds the float kernels of training: matrix products in assembly for amd64 with AVX2 and FMA or with
// AVX-512 and for arm64 with NEON, and a portable twin in Go that gives the same bits.
//
// Rules. Every element of a product is one sum: it starts at +0 and takes the products of one index after the other in
// ascending order (of a convolution: of the rows, columns and channels under its kernel, or the examples, rows and columns of
// its outputs), each by a fused multiply-add (rounded once), and is never split or reassociated: vector lanes run over
// outputs, blocks over outputs and rows. What happens to a finished sum (a bias added, ReLU, a step of SGD) is a fixed
// sequence of operations that round once each. So the bits are the same on every CPU, for every kernel and blocking and
// any number of goroutines, and equal to those of the naive loops in this package's tests. Nothing is left out for being
// zero.
//
// Matrices are row-major slices. Arguments of unfitting lengths are mistakes of the programmer: kernels panic. Nothing is
// allocated in a product, no argument is kept after a call, and results must not overlap arguments. No call into assembly
// does more than 2^24 multiply-adds (2^22 on arm64), a third of a millisecond or a little more, because assembly cannot be
// preempted and a garbage collection waits for it; for sums of more than 2^19 terms (2^17) it is one row of 32 sums at a time.
package kernel

// Float is what the kernels compute with: float32 for training, float64 (portable only) for finite differences and as an
// oracle.
type Float interface{ float32 | float64 }

// Slack is by how many numbers a slice that takes a result must be longer than the result: vectors write past its end.
const Slack = 8

// lanes is what widths are rounded up to inside: the numbers of the narrowest vector.
const lanes = 8

func roundUp(n int) int { return multiple(n, lanes) }

// multiple returns the least multiple of unit that is not below n.
func multiple(n, unit int) int { return (n + unit - 1) / unit * unit }
