package localsgd

import "github.com/fedrelu/fedrelu/internal/kernel"

// Numerics is raised whenever a change may alter any bit of any model. Processes with different numerics do not work
// together. A test with golden hashes of tiny runs fails when somebody forgets. Builds with the
// tag blas, whose kernels may sum in another order, have numbers of their own.
const Numerics = 3 + kernel.Reordered
