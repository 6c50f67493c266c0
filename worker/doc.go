// Package worker is the process that serves shards: it joins a coordinator, trains its tasks, and pushes their updates or
// the exact sums of them. When a session breaks it joins again, for ever.
//
// Rules:
//
//   - One goroutine, the agent, owns everything that the worker knows of a run: tasks, models, results, measurements. It
//     never waits for the network, the disk or a computation. What takes long is an order, carried out by a hand: one
//     goroutine for each slot (training, adding, measuring, scoring), one that pushes, one that fetches, one that loads. A block or
//     sum named in an order belongs to that hand until its event comes back. There are no locks.
//   - Tasks come first, products second: a slot without an order shares the large products of the slots that train
//     (kernel.Team), one product at a time, until it gets one.
//   - A session has two goroutines: one reads the stream, one writes it, heartbeats included, so that these pass whatever
//     is computed. A coordinator that takes nothing for as long as it would wait for a heartbeat is given up.
//   - Worker.Run starts every goroutine, and all are gone when it returns.
//   - A session can end at any time and takes nothing along but the tasks that have not begun. What is trained stays, is
//     offered in the next session's RunReady, and is pushed there without training unless the coordinator abandons it.
//   - An acknowledged push is kept, merged into one sum (held), until the next round begins: the coordinator has not
//     committed it before.
//   - One round is open at a time, but in asynchronous runs, whose Assign says from which round on tasks still count: tasks and
//     results of all of these are kept side by side, each under its own start model, and updates go alone.
//   - Nothing is pushed in a session before the coordinator has spoken of the round in it: only then has it judged what
//     was offered.
//   - A result counts whole. When one shard of a sum is abandoned the sum is void, and the others are reported Dropped.
//   - A study of a round repeats tasks on a slot like any other order, between the tasks that wait, from models that are named by
//     hash. Nothing of it is kept.
//   - Where it brings its own shards it serves those that lie in its folder, and no example leaves it.
//   - A task that diverged is reported as such; any other failure, of a task or a measurement, is reported with its reason
//     and tried elsewhere. Nothing that the coordinator sends makes the worker panic.
//
// Memory. With P parameters, S slots and m measured shards a round, beside one data set and the scratch of S trainers (see
// relu.Machine; for each P more float32 with clipping, 2P more with AdamW, and with momentum P more unless all layers are
// linear or convolutions):
//
//	4P bytes x (S + 4 + 2m + 2)   ends being trained; start, next model, the start of a task that is repeated, and for a
//	                              moment the last start; measured ends of two rounds; two gradients
//	3 x (4P + 8P to 16P) bytes    the pending, the pushed and the held sum; 8 bytes for a matrix's element, 16 for another's
//	4P bytes x (S + 1)            instead of these sums, where updates are pushed alone
//
// A study (checks of the spec but drift and rank) runs on one slot and takes, until it is answered, 4P bytes x (m + 10) and a
// trainer's scratch; with saw_tooth another 8P bytes and a trainer's scratch for each of the m, with prediction 28P bytes for the
// largest matrix's share of P. The package doc of analysis/study has the parts. Where the spec has studies the data set includes the
// examples to be tested on.
//
// Measured, anonymous memory at its highest with every check on, one slot, m = 4, garbage included: 571 to
// 627 MB with a model of 8.2 MB, 126 to 129 MB with one of 1.5 MB, with 64 shards as with 4 (go test ./test/process -run
// MemoryOfStudies -long -v).
//
// Asynchronous tasks of S slots may start from S models, the last one takes the place of the next: 4P bytes x (S + 1) more.
//
// It depends neither on the number of shards nor of rounds. With precision float64 a trainer's scratch has twice the size,
// and each trainer holds a copy of the model, 8P bytes.
package worker
