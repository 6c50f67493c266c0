package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func block(n int, first float32) []float32 {
	b := make([]float32, n)
	for i := range b {
		b[i] = first + float32(i%1000)
	}
	return b
}

func put(t *testing.T, s *Store, run string, shard int, b []float32) Version {
	t.Helper()
	hash, err := s.Put(run, shard, b)
	if err != nil {
		t.Fatal(err)
	}
	return Version{shard, hash}
}

// read returns a state's numbers.
func read(s *Store, run string, v Version) ([]float32, error) {
	var bytes bytes.Buffer
	err := s.Copy(&bytes, run, v)
	b := make([]float32, bytes.Len()/4)
	tensor.Decode(b, bytes.Bytes())
	return b, err
}

func TestStatesSurviveClosing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "states.db")
	s := open(t, path)
	small, large := block(3, 1), block(groupValues+chunkBytes/4+5, 2)
	a, b := put(t, s, "r", 4, small), put(t, s, "r", 7, large)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	for v, want := range map[Version][]float32{a: small, b: large} {
		if got, err := read(s, "r", v); err != nil || !slices.Equal(got, want) {
			t.Errorf("shard %d: %d numbers, %v; want %d", v.Shard, len(got), err, len(want))
		}
	}
	if all, err := s.Versions("r"); err != nil || !slices.Equal(all, []Version{a, b}) {
		t.Errorf("versions %v, %v", all, err)
	}
	if _, err := read(s, "other", a); !errors.Is(err, ErrNoState) {
		t.Errorf("a state of another run: %v", err)
	}
}

func TestForget(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "states.db"))
	defer s.Close()
	old, now, other := put(t, s, "r", 1, block(3, 1)), put(t, s, "r", 1, block(3, 2)), put(t, s, "r", 2, block(3, 1))
	if err := s.Forget("r", 1, now.Hash); err != nil {
		t.Fatal(err)
	}
	if s.Has("r", old) || !s.Has("r", now) || !s.Has("r", other) {
		t.Error("forgot something else")
	}
	if err := errors.Join(s.ForgetRun("r"), s.ForgetRun("r")); err != nil || s.Has("r", now) {
		t.Errorf("a forgotten run: %v", err)
	}
}

// What was not written to its end, or was changed since, is not there.
func TestDamagedStatesAreNotThere(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "states.db"))
	defer s.Close()
	half, changed := put(t, s, "r", 1, block(3, 1)), put(t, s, "r", 2, block(3, 2))
	err := s.db.Update(func(tx *bbolt.Tx) error {
		run := tx.Bucket([]byte("r"))
		return errors.Join(run.Bucket(half.key()).Delete(valuesKey), run.Bucket(changed.key()).Put([]byte{0, 0, 0, 0}, make([]byte, 12)))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Version{half, changed} {
		if _, err := read(s, "r", v); !errors.Is(err, ErrNoState) {
			t.Errorf("shard %d: %v", v.Shard, err)
		}
	}
	if s.Has("r", half) {
		t.Error("half a state is there")
	}
	put(t, s, "r", 1, block(3, 1))
	if _, err := read(s, "r", half); err != nil {
		t.Errorf("written again: %v", err)
	}
}
