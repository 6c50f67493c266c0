// Package localsgd is the algorithm: local training on shards, the exact weighted mean of what comes of it, the rule
// that makes the next model, and who takes part in a round.
//
// Rules of the package:
//
//   - No network, disk, clock, environment or global state. Everything is a function of its arguments; every random draw
//     is keyed by (seed, purpose, round, shard, step).
//   - Parameters are one contiguous block of float32 viewed through a tensor.Layout. An update carries end parameters,
//     never a difference: start + (end - start) is not end in floating point.
//   - The mean of a round's updates is the same, bit for bit, for every order of arrival and every grouping into partial
//     sums: updates become integers on a Grid that the round's start fixes, and integers are summed (Sum).
//   - A task is a pure function of (job, start, task, the shard's state). One that diverges, diverges everywhere.
//   - What a run remembers between two rounds are three things: the model, blocks of the rule's, and blocks of shards'. They
//     are handed around; neither rules nor trainers keep anything. Rules that can work with the mean never see an update.
//   - Floating point follows the rules that make plain Go the same on every machine: no bare x*y+z, no math.Exp.
package localsgd
