// Package replay computes a run again from its record alone and compares what comes out: every model, what the rule
// remembers, and the states of shards, by their SHA-256.
//
// Rules. The code of localsgd.Runner computes everything, in one goroutine, one task after the other; nothing of the
// coordinator or of workers takes part. What a deadline, a quorum or a divergence decided is not decided again but taken from
// the record: whose updates count, and which shards had lost their state. Everything else is drawn and computed anew (participants, weights, steps) and has to be
// what the record says. A round of an asynchronous rule has nothing to be drawn: its arrivals are taken from the record, and each
// may count once in the whole run. Nothing is written. Memory is a few blocks of the model's size, for jobs with states of shards
// all of those, and for asynchronous rules the models that an update may still start from.
package replay
