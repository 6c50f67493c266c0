//go:build !blas

package kernel

// Reordered is added to the numerics version by builds whose kernels may sum in another order. This is none.
const Reordered = 0

// onRequest returns kernels that only Use names: those with other bits.
func onRequest() []*implementation { return nil }
