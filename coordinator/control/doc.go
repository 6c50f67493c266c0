// Package control is how operators talk to a running coordinator: the calling side of ControlService.
//
// Rules. Everything goes out and comes back as plain values; the generated types stay inside. What comes from the network
// is checked before it is returned (package record does it for runs and entries, proto/wire for models), and a model counts
// only when all of its bytes have the hash that was announced. Every error is an *Error that says what was asked of whom,
// and matches ErrUnavailable, ErrAddress, ErrNotFound, ErrInvalid or ErrState where one of these is the reason. Nothing is tried
// twice: whoever calls decides that.
package control
