// Package store keeps the runs of a coordinator in one bbolt file, fedrelu.db.
//
// Rules:
//   - One transaction makes a round exist: its entry in the chain, the head, the reference of its model, what retention
//     removes, and the model itself if it is small. CommitRound returns after that transaction is on disk; before, the
//     round does not exist at all. The chunks of a large model are written before it, in transactions of their own (bbolt
//     holds a transaction's pages in memory), where nothing refers to them yet. What nothing refers to is swept at Open.
//   - The chain of a run only grows (see package record); everything beside it is derived from it or says how the run
//     stands: the run's record, the head, the numbers of rounds, the measurements still due, the references of models.
//   - Models are named by the SHA-256 of their values and stored once for each run, as chunks of about 1 MiB with a
//     CRC-32C each, each chunk a bucket of its own: bbolt rewrites a leaf whole, and two to four chunks would share one.
//     No function holds a whole model as bytes, and no reader holds a transaction longer than for one chunk.
//   - A model that is submitted with a run is received the same way, and becomes part of the run in the transaction that
//     creates it. It stays as long as the run does: nobody could make it again.
//   - Nothing that is read is believed: pages are checked for soundness before bbolt maps them (damaged ones could crash
//     it), entries by hash, chunks by CRC and models by SHA-256, the rest by CRC. Damage that Open finds in the pages is
//     cut out: the sound parts go to a new file, and the old one is kept beside it. Load says what is damaged in a run and
//     where it can go on; Mend declares damaged entries, RestoreModel stores a damaged model again. Verify accepts what
//     was declared and nothing else.
//   - A directory belongs to one process (see InUseError), or to any number of readers.
//   - After a write that failed for want of space nothing of it is there and the store can be used on; after one that
//     failed so that nobody knows whether it is on disk, every later write fails with ErrReopen.
//
// A Store may be used by any number of goroutines. Entries of one run must be appended by one of them.
package store
