// Package study measures one round of a run by repeating its tasks: whatever needs the local models of several shards at once,
// or every local step. What it says is a function of the job, the round, its start model and the model that it made, and never
// of who trained what.
//
// Rules. Nothing here changes a block, a state or a random stream of training. A reading that does not exist is left out, with
// the reason in a Missing.
package study
