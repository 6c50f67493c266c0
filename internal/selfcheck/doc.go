// Package selfcheck measures on a job and an algorithm what must hold for every one of them: gradients are those of the
// loss, averaging loses nothing and knows no order, a run is a function of its spec.
//
// Rules: each property is a file with a law, the exactness it asks for, and a pure measurement. It trains what Cut has left
// of the job: few shards, examples and rounds, as many as end in seconds, drawn by key. What a property does not hold for by
// its nature is not applicable, with the reason; it is never passed over in silence, and never weakened until it holds. What
// is under test goes through a code, so that the tests can break it and see the property fail.
//
// Check switches the kernels of the process while it works: nothing else should train meanwhile.
package selfcheck
