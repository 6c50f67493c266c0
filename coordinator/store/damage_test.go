package store

import (
	"errors"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const damagedSize = 600_000 // three chunks

// editRun changes what is stored of run1 in a closed store.
func editRun(t *testing.T, dir string, fn func(b runBuckets) error) {
	t.Helper()
	edit(t, dir, func(tx *bbolt.Tx) error {
		b, err := openRun(tx, "run1")
		if err != nil {
			return err
		}
		return fn(b)
	})
}

// flip returns a copy of b with one bit of it changed.
func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 4
	return b
}

// problems returns how many problems Verify has with a store, at least one.
func problems(t *testing.T, dir string) int {
	t.Helper()
	report, err := Verify(dir)
	check(t, err)
	if report.OK() {
		t.Fatalf("the damage was not found:\n%v", report)
	}
	return len(report.Problems)
}

func TestADamagedModelIsFoundAndComputedAgain(t *testing.T) {
	model := func(b runBuckets, round int) *bbolt.Bucket {
		hash := tensor.HashBlock(block(round, damagedSize))
		return b.models.Bucket(hash[:])
	}
	for name, damage := range map[string]func(m *bbolt.Bucket, b runBuckets) error{
		"a bit": func(m *bbolt.Bucket, _ runBuckets) error {
			c := m.Bucket(key32(1))
			return c.Put(dataKey, flip(c.Get(dataKey), 77))
		},
		"the CRC": func(m *bbolt.Bucket, _ runBuckets) error {
			c := m.Bucket(key32(2))
			return c.Put(crcKey, flip(c.Get(crcKey), 3))
		},
		"a whole, CRC": func(m *bbolt.Bucket, _ runBuckets) error { return swapChunks(m) },
		"a chunk":      func(m *bbolt.Bucket, _ runBuckets) error { return m.DeleteBucket(key32(2)) },
		"its size":     func(m *bbolt.Bucket, _ runBuckets) error { return m.Put(valuesKey, flip(m.Get(valuesKey), 2)) },
		"less values":  func(m *bbolt.Bucket, _ runBuckets) error { return m.Put(valuesKey, seal(key64(5))) },
		"too many":     func(m *bbolt.Bucket, _ runBuckets) error { return m.Put(valuesKey, seal(key64(1<<60))) },
		"all of it": func(_ *bbolt.Bucket, b runBuckets) error {
			h := tensor.HashBlock(block(4, damagedSize))
			return b.models.DeleteBucket(h[:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			last, dir := closedStore(t, damagedSize, 4)
			editRun(t, dir, func(b runBuckets) error { return damage(model(b, 4), b) })
			problems(t, dir)

			s := openStore(t, dir)
			st, err := s.Load("run1")
			check(t, err)
			if st.Last != 4 || st.Model != 3 || st.NeedsMend || len(st.Problems) != 1 {
				t.Fatalf("loaded %+v", st)
			}
			got := make([]float32, damagedSize)
			if err := s.ReadModel("run1", last.Model, got); err == nil {
				t.Fatal("the damaged model was read")
			}
			_, err = s.RestoreModel("run1", 4, block(5, damagedSize), record.Repaired{})
			wantError(t, err, ErrOtherModel)
			_, err = s.RestoreModel("run1", 5, block(5, damagedSize), record.Repaired{})
			wantError(t, err, ErrNoRound)
			_, err = s.RestoreModel("run1", 4, block(4, damagedSize), record.Repaired{Detail: st.Problems[0].Error(), Time: begun})
			check(t, err)
			check(t, s.ReadModel("run1", last.Model, got))
			commit(t, s, "run1", 5, 5, damagedSize)
			check(t, s.Close())
			if r := verified(t, dir).Runs[0]; r.Repaired != 1 || r.Rounds != 5 || r.Entries != 7 {
				t.Errorf("report is %+v", r)
			}
		})
	}
}

// swapChunks exchanges two chunks with their CRCs, so that only the SHA-256 of the whole is wrong.
func swapChunks(m *bbolt.Bucket) error {
	one, two := m.Bucket(key32(0)), m.Bucket(key32(1))
	for _, key := range [][]byte{crcKey, dataKey} {
		a, b := slices.Clone(one.Get(key)), slices.Clone(two.Get(key))
		if err := errors.Join(one.Put(key, b), two.Put(key, a)); err != nil {
			return err
		}
	}
	return nil
}

// measuredStore is a closed store of run1 with the rounds 0 .. 4 in the entries 0, 1, 2, 4, 6; entries 3 and 5 are what
// was measured on the rounds 1 and 2, and nothing was measured on round 3 yet.
func measuredStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 3})))
	for n := 0; n <= 4; n++ {
		commitMeasurable(t, s, n)
		if n == 2 || n == 3 {
			_, err := s.AppendMeasured("run1", record.Measured{Round: n - 1, Time: begun})
			check(t, err)
		}
	}
	check(t, s.Close())
	verified(t, dir)
	return dir
}

const smallSize = 100

func commitMeasurable(t *testing.T, s *Store, n int) {
	t.Helper()
	round := roundWith(n, smallSize)
	round.MeasureDue = n > 0 && n < 4
	_, err := s.CommitRound("run1", round, block(n, smallSize))
	check(t, err)
}

func TestDamagedEntriesAreDeclaredAndTheRunGoesOn(t *testing.T) {
	bit := func(seq uint64) func(b runBuckets) error {
		return func(b runBuckets) error { return b.chain.Put(key64(seq), flip(b.chain.Get(key64(seq)), 20)) }
	}
	missing := func(seq uint64) func(b runBuckets) error {
		return func(b runBuckets) error { return b.chain.Delete(key64(seq)) }
	}
	both := func(fns ...func(b runBuckets) error) func(b runBuckets) error {
		return func(b runBuckets) (err error) {
			for _, fn := range fns {
				err = errors.Join(err, fn(b))
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		damage   func(b runBuckets) error
		last     int // round that is the last one afterwards
		due      []int
		declared int
	}{
		"the last round":            {bit(6), 3, []int{3}, 1},
		"the last round, missing":   {missing(6), 3, []int{3}, 1},
		"the last two entries":      {both(bit(5), missing(6)), 3, []int{2, 3}, 2},
		"the last round and head":   {both(bit(6), func(b runBuckets) error { return b.self.Put(headKey, flip(b.self.Get(headKey), 9)) }), 3, []int{3}, 1},
		"an early round":            {bit(1), 4, []int{3}, 1},
		"an early round, missing":   {missing(2), 4, []int{3}, 1},
		"the start":                 {bit(0), 4, []int{3}, 1},
		"a measurement":             {bit(3), 4, []int{1, 3}, 1},
		"an empty entry":            {func(b runBuckets) error { return b.chain.Put(key64(6), nil) }, 3, []int{3}, 1},
		"the entry of another run":  {both(func(b runBuckets) error { return foreign(b, 6) }), 3, []int{3}, 1},
		"an entry in another place": {func(b runBuckets) error { return b.chain.Put(key64(6), b.chain.Get(key64(4))) }, 3, []int{3}, 1},
		"all entries":               {both(bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6)), -1, nil, 7},
	} {
		t.Run(name, func(t *testing.T) {
			dir := measuredStore(t)
			editRun(t, dir, c.damage)
			problems(t, dir)

			s := openStore(t, dir)
			st, err := s.Load("run1")
			check(t, err)
			if !st.NeedsMend || len(st.Problems) == 0 || st.Last != c.last || !slices.Equal(st.Due, c.due) {
				t.Fatalf("loaded %+v", st)
			}
			check(t, s.Mend("run1", begun))
			again, err := s.Load("run1")
			check(t, err)
			if again.NeedsMend || len(again.Problems) > 0 || again.Last != c.last || again.Model != c.last {
				t.Fatalf("loaded after mending %+v", again)
			}
			for n := c.last + 1; n <= 5; n++ {
				commitMeasurable(t, s, n)
			}
			for _, n := range again.Due {
				_, err := s.AppendMeasured("run1", record.Measured{Round: n, Time: begun})
				check(t, err)
			}
			check(t, s.Close())
			if r := verified(t, dir).Runs[0]; r.Declared != c.declared || r.Rounds != 5 {
				t.Errorf("report is %+v", r)
			}
			// What was declared is excused as it was found, not whatever comes in its place.
			editRun(t, dir, func(b runBuckets) error { return b.chain.Put(key64(firstBad(t, dir, b)), []byte("other")) })
			problems(t, dir)
		})
	}
}

// foreign puts a valid entry of another run into the chain.
func foreign(b runBuckets, seq uint64) error {
	own, err := storedEntry("run1", key64(seq), b.chain.Get(key64(seq)))
	if err != nil {
		return err
	}
	round, err := own.Round()
	if err != nil {
		return err
	}
	e, err := record.Link("run2", seq, own.Prev, &round, nil)
	if err != nil {
		return err
	}
	encoded, err := e.Marshal()
	if err != nil {
		return err
	}
	return b.chain.Put(key64(seq), encoded)
}

func firstBad(t *testing.T, dir string, b runBuckets) uint64 {
	t.Helper()
	for seq := uint64(0); seq < 20; seq++ {
		if _, err := storedEntry("run1", key64(seq), b.chain.Get(key64(seq))); err != nil {
			return seq
		}
	}
	t.Fatal("no entry is damaged")
	return 0
}

func TestWhatIsBesideTheChainIsDerivedAnew(t *testing.T) {
	for name, damage := range map[string]func(b runBuckets) error{
		"head":                    func(b runBuckets) error { return b.self.Put(headKey, flip(b.self.Get(headKey), 1)) },
		"no head":                 func(b runBuckets) error { return b.self.Delete(headKey) },
		"head of another time":    func(b runBuckets) error { return b.self.Put(headKey, head{next: 3, round: 2}.encode()) },
		"a round's number":        func(b runBuckets) error { return b.rounds.Put(key64(2), key64(1)) },
		"a round that is not":     func(b runBuckets) error { return b.rounds.Put(key64(9), key64(1)) },
		"no number of a round":    func(b runBuckets) error { return b.rounds.Delete(key64(1)) },
		"no measurement due":      func(b runBuckets) error { return b.due.Delete(key64(3)) },
		"another measurement due": func(b runBuckets) error { return b.due.Put(key64(1), nil) },
		"a reference":             func(b runBuckets) error { return b.kept.Put(key64(4), flip(b.kept.Get(key64(4)), 30)) },
		"an older reference":      func(b runBuckets) error { return b.kept.Put(key64(3), flip(b.kept.Get(key64(3)), 30)) },
		"another model":           func(b runBuckets) error { return b.kept.Put(key64(4), b.kept.Get(key64(3))) },
		"no reference":            func(b runBuckets) error { return b.kept.Delete(key64(4)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := measuredStore(t)
			editRun(t, dir, damage)
			problems(t, dir)
			s := openStore(t, dir)
			st, err := s.Load("run1")
			check(t, err)
			if !st.NeedsMend || len(st.Problems) == 0 || st.Last != 4 {
				t.Fatalf("loaded %+v", st)
			}
			check(t, s.Mend("run1", begun))
			if st, err = s.Load("run1"); err != nil || st.NeedsMend {
				t.Fatalf("loaded after mending %+v, %v", st, err)
			}
			models, err := s.Models("run1")
			check(t, err)
			if st.Model != st.Last || len(models) != 3 {
				t.Errorf("after mending %d models are left, the newest of round %d", len(models), st.Model)
			}
			commitMeasurable(t, s, 5)
			check(t, s.Close())
			verified(t, dir)
		})
	}
}

// Who changes history and its own hash, but not what comes after it, is found out.
func TestARewrittenEntryIsFound(t *testing.T) {
	for name, seq := range map[string]uint64{"in the middle": 2, "the last": 6} {
		t.Run(name, func(t *testing.T) {
			dir := measuredStore(t)
			editRun(t, dir, func(b runBuckets) error {
				e, err := storedEntry("run1", key64(seq), b.chain.Get(key64(seq)))
				if err != nil {
					return err
				}
				round, err := e.Round()
				if err != nil {
					return err
				}
				better := 0.99
				round.TestAccuracy = &better
				if e, err = record.Link("run1", seq, e.Prev, &round, e.Committed); err != nil {
					return err
				}
				encoded, err := e.Marshal()
				if err != nil {
					return err
				}
				return b.chain.Put(key64(seq), encoded)
			})
			problems(t, dir)
		})
	}
}

func TestADamagedRunIsSaidAndTheOthersStay(t *testing.T) {
	dir := measuredStore(t)
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run2", record.Keep{Last: 1})))
	check(t, s.Close())
	editRun(t, dir, func(b runBuckets) error { return b.self.Put(runKey, flip(b.self.Get(runKey), 5)) })
	problems(t, dir)
	s = openStore(t, dir)
	runs, err := s.Runs()
	wantError(t, err, ErrDamaged)
	if got := ids(runs); !slices.Equal(got, []string{"run2"}) {
		t.Errorf("the other runs are %v", got)
	}
	_, err = s.Load("run1")
	wantError(t, err, ErrDamaged)
	wantError(t, s.SetStatus("run1", record.Failed, ""), ErrDamaged)
	check(t, s.Remove("run1"))
	check(t, s.Close())
	verified(t, dir)
}

func TestWhatNothingRefersToIsSwept(t *testing.T) {
	_, dir := closedStore(t, damagedSize, 1)
	s := openStore(t, dir)
	hash := tensor.HashBlock(block(9, damagedSize))
	check(t, s.WriteModel("run1", hash, block(9, damagedSize)))
	check(t, s.Close())
	if r := verified(t, dir).Runs[0]; r.Unreferenced != 1 || r.Models != 2 {
		t.Fatalf("report is %+v", r)
	}
	s = openStore(t, dir)
	_, err := s.OpenModel("run1", hash)
	wantError(t, err, ErrNoModel)
	check(t, s.Close())
	if r := verified(t, dir).Runs[0]; r.Unreferenced != 0 || r.Models != 2 {
		t.Fatalf("report is %+v", r)
	}
}

func TestAModelThatIsBeingReadStays(t *testing.T) {
	s, _ := storeWith(t, "run1")
	commit(t, s, "run1", 0, 0, damagedSize)
	first := tensor.HashBlock(block(0, damagedSize))
	m, err := s.OpenModel("run1", first)
	check(t, err)
	commit(t, s, "run1", 1, 2, damagedSize)
	var data []byte
	for i := range m.Chunks() {
		data, err = m.Append(data, i)
		check(t, err)
	}
	got := make([]float32, m.Values())
	tensor.Decode(got, data)
	if tensor.HashBlock(got) != first {
		t.Error("another model was read")
	}
	m.Close()
	m.Close()
	commit(t, s, "run1", 3, 3, damagedSize)
	_, err = s.OpenModel("run1", first)
	wantError(t, err, ErrNoModel)
}
