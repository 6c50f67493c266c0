package store

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

var writeSample = flag.Bool("write-sample", false, "write testdata/format-N.db.gz anew, for a new Format alone")

// A store of every format that was ever released must be readable for ever. The sample of format 1 was written once.
func TestASampleOfEveryFormatIsRead(t *testing.T) {
	path := filepath.Join("testdata", "format-1.db.gz")
	if *writeSample {
		check(t, os.WriteFile(path, sample(t), 0o644))
	}
	packed, err := os.ReadFile(path)
	check(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	check(t, err)
	b, err := io.ReadAll(r)
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(file(dir), b, 0o644))
	verified(t, dir)
	s := openStore(t, dir)
	st, err := s.Load("run1")
	check(t, err)
	if st.Last != 4 || st.Model != 4 || len(st.Due) != 1 || st.Due[0] != 3 || st.Run.Name != "name of run1" {
		t.Errorf("loaded %+v", st)
	}
	if got := st.Round.Model.String(); got != "46a32f43ed375a64d2b98170a1f45b119b637adc4da6024419fb86ae3c32fc4c" {
		t.Errorf("the last model is %s", got)
	}
	dst := make([]float32, smallSize)
	check(t, s.ReadModel("run1", st.Round.Model, dst))
	commitMeasurable(t, s, 5)
}

// sample is the file of a store as this version writes it, without unused pages at its end.
func sample(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(file(measuredStore(t)))
	check(t, err)
	img, err := newImage(bytes.NewReader(b), int64(len(b)))
	check(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(b[:img.meta.pages*img.meta.pageSize])
	check(t, errors.Join(err, w.Close()))
	return packed.Bytes()
}

// After a write whose outcome nobody knows, nothing is written until the store is opened anew. A full disk is no such case
// as long as the transaction did not reach the file.
func TestAfterAnUnsureWriteTheStoreIsOpenedAnew(t *testing.T) {
	s, dir := storeWith(t, "run1")
	const future = 1 << 30 // the number of a transaction that never was
	if err := s.failed(future, syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrReopen) {
		t.Errorf("a full disk: error is %v", err)
	}
	commit(t, s, "run1", 0, 0, 10)
	wantError(t, s.failed(future, syscall.EIO), ErrReopen)
	_, err := s.CommitRound("run1", roundWith(1, 10), block(1, 10))
	wantError(t, err, ErrReopen)
	wantError(t, err, syscall.EIO)
	wantError(t, s.SetStatus("run1", record.Failed, ""), ErrReopen)
	if st, err := s.Load("run1"); err != nil || st.Last != 0 {
		t.Errorf("reading: %+v, %v", st, err)
	}
	check(t, s.Close())
	s = openStore(t, dir)
	commit(t, s, "run1", 1, 1, 10)
	wantError(t, s.failed(0, syscall.ENOSPC), ErrReopen)
}
