// Package analysis measures models: how far gradients at local models are from gradients at their average (drift), how much
// shards differ (heterogeneity), how well updates agree, and how many directions a weight matrix really uses (ranks and
// spectra). Other measurements have packages of their own below this one.
//
// Rules. Everything here is a pure function of its arguments: blocks of parameters with their [tensor.Layout], networks,
// seeds. No measurement changes a block, a network or a random stream that training uses, so that the model of a run is the
// same with all measurements on and off. The definitions are the conventions M1 to M20 of PAPERS.md 0.4, written out and
// named where they are used; two implementations that follow them print the same numbers.
//
// Numbers are float32 where they come from and float64 from there on. A number that does not exist (0/0, a matrix with
// NaN) is nil with a reason beside it, never NaN and never a made-up zero. Sums run in a fixed order, over fixed blocks:
// gradient drift is the same bits whoever measures it. Singular values come from gonum, which keeps its order of summation
// for any number of threads but may round differently on another kind of CPU: ranks are the same bits on one kind only.
//
// Memory is bounded and reused: a [Workspace] holds what singular values need, a [Measurer] two gradients. Each is used
// by one goroutine at a time. Parameters are what training changes: buffers (running statistics) are never measured (M2).
package analysis
