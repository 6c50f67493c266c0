// Package record holds what a coordinator stores of a run: the run itself, and the links of its chain.
//
// Rules:
//   - Values of this package are plain Go. The schema that they are stored and sent in is proto/fedrelu/v1/record.proto;
//     nobody but this package turns one into the other, and it refuses what breaks a rule in either direction: what was
//     written can be read, and bytes from a disk or a network end as a valid value or as an error that names the field
//     (ErrInvalid), never as a panic. Sizes are bounded before anything is decoded.
//   - A chain only grows. Entry.Hash covers the run's id and everything in the entry, and through Entry.Prev all entries
//     before it; the first entry's Prev is Run.Genesis, which covers what the run was to compute. Nothing is ever
//     rewritten: what comes later (measurements, repairs, the time that a commit took) is a later entry.
//   - Two runs of one spec differ in their rounds in nothing but run id, names of workers, times, durations, bytes, and
//     what these decide.
//   - A number that was not measured is nil (see Number); NaN and infinities are refused.
//   - Texts are for people: they are cut to MaxText bytes, and what is not UTF-8 in them is replaced.
//   - There is no clock here and no disk; slices are not copied, who makes a value and who reads it do not modify them.
package record
