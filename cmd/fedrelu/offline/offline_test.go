package offline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/offline"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// block is the model of a round.
func block(round int) []float32 { return []float32{1, 2, 3, float32(round)} }

// directory makes a store with a running run, whose coordinator is gone, of so many rounds, and a queued one.
func directory(t *testing.T, rounds int) string {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := record.Run{
		ID: "run0", Name: "first", Spec: []byte("spec"), Status: record.Running, Created: time.Unix(1, 0), Keep: record.Keep{Last: 2},
		Layout: tensor.Hash{1}, StartModel: tensor.HashBlock(block(0)), Tensors: []tensor.Desc{{Name: "0.weight", Shape: []int{2, 2}}},
	}
	if err := s.CreateRun(run); err != nil {
		t.Fatal(err)
	}
	for n := range rounds {
		r := record.Round{Number: n, Model: tensor.HashBlock(block(n)), Time: time.Unix(int64(n), 0)}
		if n > 0 {
			r.StartModel = tensor.HashBlock(block(n - 1))
		}
		if _, err := s.CommitRound("run0", r, block(n)); err != nil {
			t.Fatal(err)
		}
	}
	queued := record.Run{ID: "run1", Name: "second", Spec: []byte("spec"), Status: record.Queued, Created: time.Unix(2, 0), Keep: record.Keep{Last: 1}}
	if err := s.CreateRun(queued); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string) *offline.Directory {
	t.Helper()
	d, err := offline.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestARunWithoutACoordinatorIsStopped(t *testing.T) {
	d := open(t, directory(t, 3))
	runs, err := d.Runs(t.Context())
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if runs[0].Status != record.Stopped || runs[0].Reason == "" || runs[1].Status != record.Queued {
		t.Errorf("the runs are %v (%q) and %v, want stopped with a reason, and queued", runs[0].Status, runs[0].Reason, runs[1].Status)
	}
	var seqs []uint64
	err = d.Follow(t.Context(), "first", 1, true, func(e control.Event) error {
		switch {
		case e.Run != nil && e.Run.Status != record.Stopped:
			t.Errorf("followed as %v", e.Run.Status)
		case e.Entry != nil:
			seqs = append(seqs, e.Entry.Seq)
		}
		return nil
	})
	if err != nil || len(seqs) != 2 || seqs[0] != 1 || seqs[1] != 2 {
		t.Errorf("entries %v, %v; want 1 and 2", seqs, err)
	}
}

func TestFollowEndsEarly(t *testing.T) {
	d := open(t, directory(t, 3))
	enough := errors.New("enough")
	if err := d.Follow(t.Context(), "first", 0, false, func(control.Event) error { return enough }); err != enough {
		t.Errorf("got %v, want the caller's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Follow(ctx, "first", 0, false, func(control.Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if err := d.Follow(t.Context(), "nobody", 0, false, nil); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("got %v, want ErrNoRun", err)
	}
}

func TestExport(t *testing.T) {
	d := open(t, directory(t, 4))
	two, zero := 2, 0
	for _, c := range []struct {
		name  string
		round *int
		want  int
		err   error
	}{
		{"the last one", nil, 3, nil},
		{"one that is kept", &two, 2, nil},
		{"one that is not", &zero, 0, store.ErrNoModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := d.Export(t.Context(), "run0", c.round, func(h control.Header) (io.Writer, error) {
				if h.Round != c.want || h.Model != tensor.HashBlock(block(c.want)) || h.Run != "run0" || len(h.Tensors) != 1 {
					t.Errorf("header %+v", h)
				}
				return &out, nil
			})
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			got := make([]float32, 4)
			if tensor.Decode(got, out.Bytes()); got[3] != float32(c.want) {
				t.Errorf("got %v, want the block of round %d", got, c.want)
			}
		})
	}
	err := d.Export(t.Context(), "second", nil, nil)
	if !errors.Is(err, store.ErrNoModel) {
		t.Errorf("a run without rounds: got %v, want ErrNoModel", err)
	}
}

func TestCancelAndRemove(t *testing.T) {
	d := open(t, directory(t, 1))
	if err := d.Remove(t.Context(), "second"); !errors.Is(err, offline.ErrStatus) {
		t.Errorf("removing a queued run: got %v, want ErrStatus", err)
	}
	if err := d.Cancel(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	if err := d.Cancel(t.Context(), "second"); !errors.Is(err, offline.ErrStatus) {
		t.Errorf("cancelling it again: got %v, want ErrStatus", err)
	}
	if err := d.Remove(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	if err := d.Cancel(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	runs, err := d.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].ID != "run0" || runs[0].Status != record.Cancelled {
		t.Errorf("left are %+v, %v; want run0, cancelled", runs, err)
	}
	if _, err := d.Resume(t.Context(), "first"); !errors.Is(err, offline.ErrResume) {
		t.Errorf("resume: got %v, want ErrResume", err)
	}
}

func TestOpenMakesNothing(t *testing.T) {
	if _, err := offline.Open(t.TempDir()); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("got %v, want ErrNoStore", err)
	}
}

func TestADirectoryInUseIsRefusedWithTheAddress(t *testing.T) {
	dir := directory(t, 1)
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.SetAddress("127.0.0.1:7070"); err != nil {
		t.Fatal(err)
	}
	_, err = offline.Open(dir)
	var inUse *store.InUseError
	if !errors.As(err, &inUse) || inUse.Address != "127.0.0.1:7070" {
		t.Errorf("got %v, want that a coordinator at 127.0.0.1:7070 holds it", err)
	}
}
