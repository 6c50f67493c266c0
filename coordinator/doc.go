// Package coordinator runs the rounds of queued runs: it admits workers, hands out tasks, adds up what comes back, makes
// and commits the next model, and measures it beside the next round.
//
// Rules:
//
//   - One goroutine, the owner of a run (owner.work), changes anything about it: the round, the sum, the model, the
//     records. Everyone else puts an event into its mailbox, and waits for an answer where one is due.
//   - Membership is apart from runs: a Session lives while its worker is heard of, whatever the owner is busy with. The
//     roster is guarded by Coordinator.mu, which is never held across I/O or a call out of the package.
//   - What to do is decided by coordinator/round, what is durable by coordinator/store; a round exists once its commit
//     has returned, and only then does the next one start.
//   - A push is checked whole before it is counted: header by the owner, bytes by the goroutine of the push, and again
//     by the owner whether the round still wants it.
//   - Memory is O(model): the start, the next model, one exact sum. Pushes wait in files once they are large, and so do the
//     updates of a round for a rule that needs them all at once (updates).
//   - Every goroutine belongs to Run, to a Session's rpc, or to an owner's measurement, and is waited for by it.
package coordinator
