package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

const flipSize = 3000

// flipStore is the file of a store with two runs, and the contents that it has.
func flipStore(t *testing.T) (image []byte, contents string) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	for i, id := range []string{"run1", "run2"} {
		check(t, s.CreateRun(newRun(id, record.Keep{Last: 2 - i, Best: true})))
		for n := 0; n <= 5; n++ {
			round := roundWith(n, flipSize)
			round.MeasureDue = n == 2 || n == 5
			_, err := s.CommitRound(id, round, block(n, flipSize))
			check(t, err)
		}
		_, err := s.AppendMeasured(id, record.Measured{Round: 2, Time: begun})
		check(t, err)
	}
	contents = contentsOf(t, s)
	check(t, s.Close())
	image, err := os.ReadFile(file(dir))
	check(t, err)
	// What the file has beyond the pages in use says nothing.
	img, err := newImage(bytes.NewReader(image), int64(len(image)))
	check(t, err)
	return image[:img.meta.pages*img.meta.pageSize], contents
}

// contentsOf is everything that callers can read from a store, as text.
func contentsOf(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	runs, err := s.Runs()
	fmt.Fprintf(&b, "%v\n", err)
	for _, r := range runs {
		r.Committed = nil // as long as the process lives it knows more
		fmt.Fprintf(&b, "%+v\n", r)
		for e, err := range s.Entries(r.ID, 0) {
			fmt.Fprintf(&b, "%v %v\n", e.Hash, err)
		}
		models, err := s.Models(r.ID)
		fmt.Fprintf(&b, "%+v %v\n", models, err)
		for _, m := range models {
			dst := make([]float32, flipSize)
			fmt.Fprintf(&b, "%v\n", s.ReadModel(r.ID, m.Hash, dst))
		}
	}
	return b.String()
}

// Whatever happens to the bytes of the file: nothing panics, what Verify passes reads as it was written, and what Open
// opens can be put right and goes on.
func TestDamagedFilesAreNeverBelieved(t *testing.T) {
	image, contents := flipStore(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	found := 0
	for range 250 {
		spoiled := append([]byte(nil), image...)
		what := spoil(rng, &spoiled)
		if judge(t, what, spoiled, contents) {
			found++
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, what)
		}
	}
	if found < 25 {
		t.Errorf("only %d of 250 damages were found: most did not hit what is in use", found)
	}
}

// spoil damages a file in one of the ways in which files are damaged, and says how.
func spoil(rng *rand.Rand, b *[]byte) string {
	at := rng.IntN(len(*b))
	switch rng.IntN(5) {
	case 0:
		*b = (*b)[:at]
		return fmt.Sprintf("cut at %d", at)
	case 1:
		n := min(512, len(*b)-at)
		clear((*b)[at : at+n])
		return fmt.Sprintf("512 zeros at %d", at)
	case 2:
		// The structure of pages is at their beginning.
		at = at/os.Getpagesize()*os.Getpagesize() + rng.IntN(96)
	}
	bit := rng.IntN(8)
	(*b)[at] ^= 1 << bit
	return fmt.Sprintf("bit %d of byte %d", bit, at)
}

// judge opens the file in every way, and tells whether Verify found the damage.
func judge(t *testing.T, what string, image []byte, contents string) bool {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	check(t, err)
	check(t, os.WriteFile(file(dir), image, 0o644))
	report, err := Verify(dir)
	found := err != nil || !report.OK()
	if s, err := OpenReadOnly(dir); err == nil {
		if now := contentsOf(t, s); !found && now != contents {
			t.Errorf("%s: Verify passed other contents:\n%s\nwanted\n%s", what, now, contents)
		}
		check(t, s.Close())
	} else if !found {
		t.Errorf("%s: Verify passed what cannot be opened: %v", what, err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		if !found {
			t.Errorf("%s: Verify passed what cannot be opened: %v", what, err)
		}
		return found
	}
	putRight(t, what, s)
	check(t, s.Close())
	report, err = Verify(dir)
	check(t, err)
	if !report.OK() {
		t.Errorf("%s: not sound after all was put right:\n%v", what, report)
	}
	return found
}

// putRight does with every run what a coordinator does, and then two more rounds.
func putRight(t *testing.T, what string, s *Store) {
	t.Helper()
	runs, _ := s.Runs()
	known := map[string]bool{}
	for _, r := range runs {
		known[r.ID] = true
		goOn(t, what, s, r.ID)
	}
	// Runs whose record is lost are lost.
	report := &Report{}
	check(t, report.allRuns(s))
	for _, p := range report.Problems {
		if p.Run != "" && !known[p.Run] {
			known[p.Run] = true
			check(t, s.Remove(p.Run))
		}
	}
}

func goOn(t *testing.T, what string, s *Store, id string) {
	t.Helper()
	st, err := s.Load(id)
	check(t, err)
	if st.NeedsMend {
		check(t, s.Mend(id, begun))
		if st, err = s.Load(id); err != nil || st.NeedsMend {
			t.Fatalf("%s: after mending %+v, %v", what, st, err)
		}
	}
	models, err := s.Models(id)
	check(t, err)
	for _, m := range models {
		if err := s.checkModel(id, m.Hash); err == nil {
			continue
		} else if _, err := s.RestoreModel(id, m.Round, block(m.Round, flipSize), record.Repaired{Detail: err.Error()}); err != nil && !errors.Is(err, ErrNoRound) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := st.Last + 1; n <= st.Last+2; n++ {
		_, err := s.CommitRound(id, roundWith(n, flipSize), block(n, flipSize))
		check(t, err)
	}
}

// A damaged file is kept as it was found.
func TestARebuiltFileIsKeptAside(t *testing.T) {
	image, _ := flipStore(t)
	dir := t.TempDir()
	spoiled := append([]byte(nil), image...)
	img, err := newImage(bytes.NewReader(image), int64(len(image)))
	check(t, err)
	spoiled[int(img.meta.root*img.meta.pageSize)+8] ^= 0x40 // flags of the root
	check(t, os.WriteFile(file(dir), spoiled, 0o644))
	_, err = OpenReadOnly(dir)
	wantError(t, err, ErrDamaged)
	_, err = Open(dir, Options{}) // nothing is left below the root
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotStore) {
		t.Fatalf("error is %v", err)
	}
	if now, err := os.ReadFile(file(dir)); err != nil || !reflect.DeepEqual(now, spoiled) {
		t.Fatalf("what could not be put right was changed: %v", err)
	}

	copy(spoiled, image)
	clear(spoiled[int(img.meta.freelist*img.meta.pageSize)+8 : int(img.meta.freelist*img.meta.pageSize)+16])
	check(t, os.WriteFile(file(dir), spoiled, 0o644))
	s := openStore(t, dir)
	if len(s.Problems()) < 2 || !strings.Contains(s.Problems()[len(s.Problems())-1].Error(), "rebuilt") {
		t.Errorf("problems are %v", s.Problems())
	}
	check(t, s.Close())
	verified(t, dir)
	kept, err := filepath.Glob(file(dir) + ".damaged-*")
	check(t, err)
	if len(kept) != 1 {
		t.Fatalf("kept aside: %v", kept)
	}
	if now, err := os.ReadFile(kept[0]); err != nil || !reflect.DeepEqual(now, spoiled) {
		t.Errorf("what was kept aside is not what was found: %v", err)
	}
}
