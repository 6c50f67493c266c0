// Package fedreluv1 is the schema in Go: generated from the .proto files of this folder, and never written by hand but for
// this comment.
//
// Rules: these types stay at the edges. proto/spec reads specs through them, proto/wire the messages of workers,
// coordinator/record what is stored, the rpc code of both ends the control calls; everybody else works with the plain
// values that those packages make of them after checking every field. `make generate` writes the code, and CI checks that
// it is current.
package fedreluv1
