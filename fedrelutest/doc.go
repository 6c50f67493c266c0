// Package fedrelutest runs a whole cluster inside a Go test: the coordinator with its store, and workers that reach it
// over gRPC on an in-process transport. It is what other projects import to test that their federated set-up converges,
// and to what bits.
//
//	run := fedrelutest.Start(t, spec, 3)
//	result := run.Wait()
//	if *result.TestAccuracy < 0.9 { ... }
//
// Rules: everything that Start begins ends with the test. A cluster computes the same bits with any number of workers, and
// the same as `fedrelu run` of the same spec. Anything that goes wrong in the cluster itself fails the test; how the run
// ended is the test's to judge.
package fedrelutest
