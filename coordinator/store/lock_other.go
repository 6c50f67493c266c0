//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package store

import "os"

// flock does nothing here: bbolt's own lock guards the file, only without saying who holds it.
func flock(*os.File, bool) error { return nil }
