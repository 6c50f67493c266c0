// Package activity measures what the ReLUs of a network do: which gates are open, which units never change, how much entropy
// a layer's outputs have, and how far layers are from the identity.
//
// Rules. A gate is open where the input of a ReLU or leaky ReLU is positive, which is where its output is; outputs of max
// pools do not count (M7). Everything that looks at outputs is a [relu.Watcher]: it sees the passes that are made anyway, keeps
// nothing of a batch but its own numbers, and belongs to one goroutine. A unit of a convolution is a channel, open where any of
// its positions is (M15). Definitions are the conventions M7, M15 and M16 of PAPERS.md 0.4, and P2 and P4. A number that does
// not exist is nil with a reason beside it. The same bits on every machine, but for norms of matrices, which come from
// singular values.
package activity
