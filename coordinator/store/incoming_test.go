package store

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// bytesOf are the bytes of a model.
func bytesOf(model []float32) []byte {
	return bytes.Join(func() (parts [][]byte) {
		for part := range tensor.Chunks(model, 4*len(model)) {
			parts = append(parts, bytes.Clone(part))
		}
		return parts
	}(), nil)
}

// startedRun is a run that is submitted with a model.
func startedRun(id string, model []float32) record.Run {
	r := newRun(id, record.Keep{Last: 1})
	r.StartModel, r.StartGiven = tensor.HashBlock(model), true
	r.Tensors = []tensor.Desc{{Name: "0.weight", Shape: []int{len(model)}}}
	return r
}

// receive writes the bytes in pieces that fit no chunk.
func receive(t testing.TB, s *Store, r record.Run, values int, data []byte) *Incoming {
	t.Helper()
	in, err := s.Receive(r.ID, r.StartModel, values)
	check(t, err)
	for len(data) > 0 {
		n := min(999_983, len(data))
		_, err := in.Write(data[:n])
		check(t, err)
		data = data[n:]
	}
	return in
}

func incomingModels(t testing.TB, s *Store) (n int) {
	t.Helper()
	check(t, s.view(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(incomingBucket); b != nil {
			n = b.Stats().KeyN
		}
		return nil
	}))
	return n
}

// A submitted model is there with its run, of any size, and stays whatever retention says, also over a restart.
func TestASubmittedModelStaysWithItsRun(t *testing.T) {
	for _, size := range []int{1, 1000, 3_000_000} {
		dir := t.TempDir()
		s := openStore(t, dir)
		model := block(0, size)
		r := startedRun("run1", model)
		in := receive(t, s, r, size, bytesOf(model))
		check(t, s.CreateRunFrom(r, in))
		check(t, in.Discard())
		if got, err := s.Run("run1"); err != nil || !got.StartGiven || got.StartModel != r.StartModel || len(got.Tensors) != 1 {
			t.Fatalf("the run is %+v (%v)", got, err)
		}
		commit(t, s, "run1", 0, 3, size) // keeps the last one
		check(t, s.Close())
		s = openStore(t, dir)
		back := make([]float32, size)
		check(t, s.ReadModel("run1", r.StartModel, back))
		if tensor.HashBlock(back) != r.StartModel {
			t.Error("another model was read")
		}
		if models, err := s.Models("run1"); err != nil || len(models) != 1 || models[0].Round != 3 {
			t.Errorf("kept are %v (%v), want round 3 alone", models, err)
		}
		check(t, s.Close())
		report, err := Verify(dir)
		if err != nil || !report.OK() || report.Runs[0].Unreferenced != 0 {
			t.Errorf("verify: %v %+v", err, report)
		}
	}
}

// Round 0 does not write the model again, so no kill can cost it; nor does restoring it.
func TestASubmittedModelIsNeverWrittenOver(t *testing.T) {
	const size = 1_200_000
	s := openStore(t, t.TempDir())
	model := block(0, size)
	r := startedRun("run1", model)
	check(t, s.CreateRunFrom(r, receive(t, s, r, size, bytesOf(model))))
	before := pageOf(t, s, r.StartModel)
	commit(t, s, "run1", 0, 1, size)
	_, err := s.RestoreModel("run1", 0, model, record.Repaired{Detail: "a test", Time: begun})
	check(t, err)
	if pageOf(t, s, r.StartModel) != before {
		t.Error("the model was written again")
	}
}

// pageOf returns where a model's bucket is in the file.
func pageOf(t testing.TB, s *Store, hash tensor.Hash) (page uint64) {
	t.Helper()
	check(t, s.view(func(tx *bbolt.Tx) error {
		b, err := openRun(tx, "run1")
		if err == nil {
			page = uint64(b.models.Bucket(hash[:]).Bucket(key32(0)).Root())
		}
		return err
	}))
	return page
}

func TestASubmittedModelIsWholeOrNothing(t *testing.T) {
	const size = 1000
	model := block(0, size)
	data := bytesOf(model)
	r := startedRun("run1", model)
	for name, c := range map[string]struct {
		data []byte
		run  func(record.Run) record.Run
	}{
		"short":       {data[:len(data)-4], func(r record.Run) record.Run { return r }},
		"other bytes": {append([]byte{^data[0]}, data[1:]...), func(r record.Run) record.Run { return r }},
		"other run":   {data, func(r record.Run) record.Run { r.ID = "run2"; return r }},
		"other name":  {data, func(r record.Run) record.Run { r.StartModel[0]++; return r }},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			in := receive(t, s, r, size, c.data)
			wantError(t, s.CreateRunFrom(c.run(r), in), ErrOtherModel)
			if _, err := s.Run("run1"); !errors.Is(err, ErrNoRun) {
				t.Errorf("the run is there (%v)", err)
			}
			check(t, in.Discard())
			check(t, in.Discard())
			if n := incomingModels(t, s); n != 0 {
				t.Errorf("%d models are left", n)
			}
		})
	}
	s := openStore(t, t.TempDir())
	in, err := s.Receive("run1", r.StartModel, size)
	check(t, err)
	if _, err := in.Write(append(data, 0)); !errors.Is(err, ErrOtherModel) {
		t.Errorf("too many bytes: %v", err)
	}
	if _, err := s.Receive("run3", r.StartModel, 0); !errors.Is(err, ErrOtherModel) {
		t.Errorf("no values: %v", err)
	}
}

// What a process did not live to receive is gone when the next one opens the store.
func TestAnUnfinishedSubmissionIsSwept(t *testing.T) {
	const size = 3_000_000
	dir := t.TempDir()
	s := openStore(t, dir)
	model := block(0, size)
	receive(t, s, startedRun("run1", model), size, bytesOf(model)[:9<<20])
	if incomingModels(t, s) == 0 {
		t.Error("nothing was written ahead")
	}
	check(t, s.Close())
	if report, err := Verify(dir); err != nil || !report.OK() {
		t.Errorf("verify: %v %+v", err, report)
	}
	s = openStore(t, dir)
	if n := incomingModels(t, s); n != 0 {
		t.Errorf("%d models are left", n)
	}
	if runs, err := s.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("runs %v (%v), want none", runs, err)
	}
	// The id may be used again.
	r := startedRun("run1", model)
	check(t, s.CreateRunFrom(r, receive(t, s, r, size, bytesOf(model))))
	check(t, s.Remove("run1"))
}

func TestVerifyFindsADamagedSubmittedModel(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	model := block(0, 1000)
	r := startedRun("run1", model)
	check(t, s.CreateRunFrom(r, receive(t, s, r, len(model), bytesOf(model))))
	check(t, s.Close())
	edit(t, dir, func(tx *bbolt.Tx) error {
		b, err := openRun(tx, "run1")
		if err != nil {
			return err
		}
		return b.models.Bucket(r.StartModel[:]).Bucket(key32(0)).Put(dataKey, make([]byte, 4000))
	})
	if report, err := Verify(dir); err != nil || report.OK() {
		t.Errorf("verify found nothing: %v %+v", err, report)
	}
}

func TestWhatWasSubmittedIsFixed(t *testing.T) {
	s := openStore(t, t.TempDir())
	model := block(0, 10)
	r := startedRun("run1", model)
	check(t, s.CreateRunFrom(r, receive(t, s, r, len(model), bytesOf(model))))
	wantError(t, s.Update("run1", func(r *record.Run) error { r.StartModel[0]++; return nil }), ErrFixed)
	wantError(t, s.Update("run1", func(r *record.Run) error { r.StartGiven = false; return nil }), ErrFixed)
	check(t, s.Update("run1", func(r *record.Run) error { r.ShardSizes = []int{1}; return nil }))
}
