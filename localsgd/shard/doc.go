// Package shard holds data sets, splits them into shards, and walks through a shard in batches.
//
// Rules. Everything here is a function of its arguments: a shard is a function of the training labels, the partition,
// the number of shards, the limit and the seed; a batch of (seed, round, shard, step) and the shard's examples. All
// randomness comes from localsgd/keyed. Which process computes it, and what it computed before, changes nothing.
//
// An example is named by its index in the training set, an int32. A Set and a split are immutable once made and may be
// shared by goroutines; a Walk belongs to one goroutine. The examples of a shard are in ascending order, whatever the
// partition, and no example is in two shards.
//
// Features that come as bytes stay bytes (MNIST takes 47 MB instead of 188) and are handed out as float32(v)/255.
// Loaders take an fs.FS or an io.ReaderAt and open nothing else; they check magic numbers, shapes, counts, ranges and
// the real length before they allocate or compute, and their errors name the file, the value and what is allowed.
package shard
