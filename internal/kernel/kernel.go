// Package kernel holds the float kernels of training, in portable Go.
//
// Rules. Every element of a result is one sum: its accumulator starts at +0, takes the products of one index after the
// other in ascending order, each product rounded to F by an explicit conversion (which forbids a fused multiply-add), and
// is never split or reassociated. So the bits are the same on every CPU, for every blocking and every number of
// goroutines, and equal to those of the naive loops in this package's tests.
//
// Zeros. Kernels may leave out products that have an exact zero as a factor. That changes no bit while the other factor is
// finite: the product is then +0 or -0; an accumulator that starts at +0 never becomes -0, because a sum rounds to -0
// only if both terms are -0; and adding either zero to a number other than -0 gives that number. With infinite or NaN
// weights the results still are a function of the arguments alone, but may differ from the naive loops.
//
// Matrices are row-major slices. Weights are [out, in]. Arguments of unfitting lengths are mistakes of the programmer:
// kernels panic. Nothing is allocated, no argument is kept, and results must not overlap arguments.
package kernel

// Float is what the kernels compute with: float32 for training, float64 for finite differences and as an oracle.
type Float interface{ float32 | float64 }
