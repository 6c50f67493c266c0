package store

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestWithAFullDisk needs the right to mount a file system; where that is missing, the limit of the file, which fails at
// another place, is all that is tested.
func TestWithAFullDisk(t *testing.T) { outOfSpace(t, tinyDisk) }

// tinyDisk opens a store on a file system of a few MiB of its own.
func tinyDisk(t *testing.T) (*Store, string) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(dir, Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s, dir
}

func TestNoSpaceToCreateAStore(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=12k"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	_, err := Open(dir, Options{})
	wantError(t, err, syscall.ENOSPC)
	if _, err := os.Stat(file(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half made store is there: %v", err)
	}
}
