package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// edit changes the file of a closed store behind its back.
func edit(t testing.TB, dir string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := openFile(file(dir), Options{}, false)
	check(t, err)
	check(t, errors.Join(db.Update(fn), db.Close()))
}

func TestAStoreOfANewerVersionIsRefused(t *testing.T) {
	_, dir := closedStore(t, 10, 1)
	edit(t, dir, func(tx *bbolt.Tx) error {
		return tx.Bucket(metaBucket).Put(formatKey, seal(binary.BigEndian.AppendUint32(nil, Format+1)))
	})
	before, err := os.ReadFile(file(dir))
	check(t, err)
	_, errOpen := Open(dir, Options{})
	_, errRead := OpenReadOnly(dir)
	_, errVerify := Verify(dir)
	for name, err := range map[string]error{"Open": errOpen, "OpenReadOnly": errRead, "Verify": errVerify} {
		var newer *NewerFormatError
		if !errors.Is(err, ErrNewerFormat) || !errors.As(err, &newer) || newer.Found != Format+1 || newer.Known != Format {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	after, err := os.ReadFile(file(dir))
	check(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

// closedStore is a store with one run, run1, of some rounds of models of size values, and closed.
func closedStore(t testing.TB, size, rounds int) (last record.Round, dir string) {
	t.Helper()
	dir = t.TempDir()
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 3})))
	commit(t, s, "run1", 0, rounds, size)
	check(t, s.Close())
	return roundWith(rounds, size), dir
}

func TestAFileThatIsNoStoreIsRefused(t *testing.T) {
	for name, write := range map[string]func(dir string) error{
		"text":    func(dir string) error { return os.WriteFile(file(dir), []byte("hello"), 0o644) },
		"empty":   func(dir string) error { return os.WriteFile(file(dir), nil, 0o644) },
		"zeros":   func(dir string) error { return os.WriteFile(file(dir), make([]byte, 1<<16), 0o644) },
		"a other": func(dir string) error { return otherBolt(file(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			check(t, write(dir))
			want := ErrDamaged
			if name == "a other" {
				want = ErrNotStore
			}
			_, err := Open(dir, Options{})
			wantError(t, err, want)
			_, err = OpenReadOnly(dir)
			wantError(t, err, want)
			report, err := Verify(dir)
			check(t, err)
			if report.OK() || !strings.Contains(report.String(), "PROBLEM fedrelu.db") {
				t.Errorf("report is\n%v", report)
			}
		})
	}
}

func otherBolt(path string) error {
	db, err := openFile(path, Options{}, false)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("something else"))
		return err
	})
	return errors.Join(err, db.Close())
}

func TestADirectoryWithoutAStoreCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenReadOnly(dir)
	wantError(t, err, ErrNoStore)
	_, err = Verify(dir)
	wantError(t, err, ErrNoStore)
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("reading left %v behind, %v", names, err)
	}
}

func TestADirectoryInUseIsRefusedWithinASecond(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 1})))
	refusal := func(open func() error) *InUseError {
		t.Helper()
		begin := time.Now()
		err := open()
		var inUse *InUseError
		if !errors.As(err, &inUse) || !errors.Is(err, ErrInUse) {
			t.Fatalf("error is %v", err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
		return inUse
	}
	opens := map[string]func() error{
		"Open":         func() error { _, err := Open(dir, Options{}); return err },
		"OpenReadOnly": func() error { _, err := OpenReadOnly(dir); return err },
		"Verify":       func() error { _, err := Verify(dir); return err },
	}
	for name, open := range opens {
		if got := refusal(open); got.PID != os.Getpid() || got.Address != "" {
			t.Errorf("%s without an address: %+v", name, got)
		}
	}
	check(t, s.SetAddress("127.0.0.1:7400"))
	for name, open := range opens {
		if got := refusal(open); got.PID != os.Getpid() || got.Address != "127.0.0.1:7400" || !strings.Contains(got.Error(), "127.0.0.1:7400") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if err := s.SetAddress("two\nlines"); err == nil {
		t.Error("an address of two lines was announced")
	}
	check(t, s.Close())

	// Readers share a directory, and keep writers out without pretending to be the process that wrote last.
	one, err := OpenReadOnly(dir)
	check(t, err)
	two, err := OpenReadOnly(dir)
	check(t, err)
	check(t, two.Close())
	if got := refusal(opens["Open"]); got.PID != 0 || got.Address != "" {
		t.Errorf("a reader is taken for %+v", got)
	}
	wantError(t, one.SetStatus("run1", record.Failed, ""), ErrReadOnly)
	wantError(t, one.SetAddress("x"), ErrReadOnly)
	_, err = one.Run("run1")
	check(t, errors.Join(err, one.Close()))
}

func TestALeftLockFileOfAKilledProcessIsNoLock(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, lockName), []byte("pid 4\naddress 10.0.0.1:1\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, newName), []byte("half made"), 0o644))
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{})))
}

func TestNothingIsHalfWrittenWithoutSpace(t *testing.T) {
	outOfSpace(t, func(t *testing.T) (*Store, string) {
		dir := t.TempDir()
		s, err := Open(dir, Options{MaxBytes: 12 << 20})
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		return s, dir
	})
}

// outOfSpace commits rounds until there is no space left, and looks whether the store can be used on.
func outOfSpace(t *testing.T, limited func(t *testing.T) (*Store, string)) {
	const size = 700_000
	s, dir := limited(t)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 100})))
	last, err := -1, error(nil)
	for n := 0; err == nil && n < 20; n++ {
		if _, err = s.CommitRound("run1", roundWith(n, size), block(n, size)); err == nil {
			last = n
		}
	}
	wantError(t, err, syscall.ENOSPC)
	if last < 1 {
		t.Fatalf("not even two rounds had room: %v", err)
	}
	got := make([]float32, size)
	check(t, s.ReadModel("run1", roundWith(last, size).Model, got))
	st, err := s.Load("run1")
	check(t, err)
	if st.Last != last || st.Model != last || st.NeedsMend {
		t.Fatalf("loaded %+v, the last round was %d", st, last)
	}
	_, err = s.CommitRound("run1", roundWith(last+1, size), block(last+1, size))
	wantError(t, err, syscall.ENOSPC)
	check(t, s.Remove("run1")) // makes room
	check(t, s.CreateRun(newRun("run2", record.Keep{Last: 1})))
	commit(t, s, "run2", 0, 1, size)
	check(t, s.Close())
	verified(t, dir)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	err := fmt.Errorf("opening: %w", &InUseError{Dir: "d", Address: "a:1", PID: 7})
	if want := "d is in use by a coordinator at a:1 (process 7): ask it with --coordinator a:1, or stop it"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}
