// Package averaging measures what taking the mean of models does: to ranks, loss and accuracy as more models enter it, along the
// line between two models, and after their hidden units have been brought into one order.
//
// Rules. Means are taken in float64 in the order given and rounded once to float32: they differ from the exact mean of a round in
// the last bit at most. Blocks that come in are only read. Losses come from the caller, who has the data; everything else is a
// function of the arguments. Definitions are those of PAPERS.md 1.3 item 5, 7b and convention M18.
package averaging
