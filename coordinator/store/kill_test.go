package store

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// kills is for more than the short form: go test -run Killed ./coordinator/store -kills 1000
var kills = flag.Int("kills", 10, "how often a committing process is killed")

// childDir, where it is set, makes the test binary commit rounds in that directory until it is killed.
const childDir = "FEDRELU_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := commitForEver(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// variedSize is the size of a round's model: within the round's transaction, and in transactions before it.
func variedSize(n int) int {
	if n%2 == 1 {
		return 1_200_000 // two transactions
	}
	return 1000
}

func variedRound(n int) record.Round {
	start := tensor.Hash{}
	if n > 0 {
		start = tensor.HashBlock(block(n-1, variedSize(n-1)))
	}
	r := newRound(n, tensor.HashBlock(block(n, variedSize(n))), start)
	r.MeasureDue = n > 0
	return r
}

// commitForEver goes on with a run from where it stands, and says each round once it is acknowledged.
func commitForEver(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	st, err := s.Load("run1")
	if err != nil || st.NeedsMend || st.Model != st.Last || len(st.Problems) > 0 {
		return fmt.Errorf("loading: %w, %+v", err, st)
	}
	for _, due := range st.Due {
		if _, err := s.AppendMeasured("run1", record.Measured{Round: due}); err != nil {
			return err
		}
	}
	for n := st.Last + 1; ; n++ {
		if _, err := s.CommitRound("run1", variedRound(n), block(n, variedSize(n))); err != nil {
			return err
		}
		fmt.Println("round", n)
		if n > 0 {
			if _, err := s.AppendMeasured("run1", record.Measured{Round: n}); err != nil {
				return err
			}
		}
	}
}

// A process that commits rounds is killed at instants drawn from a seed. Whatever it had said is there afterwards, once,
// the file is sound, and the next process goes on.
func TestKilledAtAnyInstantNothingIsLost(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	check(t, s.CreateRun(newRun("run1", record.Keep{Last: 2})))
	check(t, s.Close())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	last := -1
	for range *kills {
		acknowledged := killed(t, dir, 1+rng.IntN(3), time.Duration(rng.IntN(30_000))*time.Microsecond)
		if acknowledged <= last {
			t.Fatalf("seed %d: round %d was acknowledged after round %d", seed, acknowledged, last)
		}
		last = acknowledged
		lookAtRun(t, dir, last)
	}
	t.Logf("%d rounds", last)
}

// killed starts a process that commits rounds, kills it some time after it acknowledged so many, and returns the last one
// that it acknowledged.
func killed(t *testing.T, dir string, rounds int, after time.Duration) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	check(t, err)
	check(t, child.Start())
	last = -1
	for lines := bufio.NewScanner(out); lines.Scan(); rounds-- {
		n, ok := strings.CutPrefix(lines.Text(), "round ")
		if !ok {
			t.Fatalf("the process said %q", lines.Text())
		}
		last, err = strconv.Atoi(n)
		check(t, err)
		if rounds == 1 {
			// The kill hits what the process is doing then; its lines up to then are read to the end.
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v", err)
	}
	return last
}

func lookAtRun(t *testing.T, dir string, acknowledged int) {
	t.Helper()
	verified(t, dir)
	s, err := OpenReadOnly(dir)
	check(t, err)
	defer func() { check(t, s.Close()) }()
	st, err := s.Load("run1")
	check(t, err)
	// A round whose commit was on disk may not have been acknowledged yet.
	if st.Last < acknowledged || st.Last > acknowledged+1 || st.Model != st.Last {
		t.Fatalf("the last round is %d, its newest model %d, %d was acknowledged", st.Last, st.Model, acknowledged)
	}
	number := 0
	for e, err := range s.Entries("run1", 0) {
		check(t, err)
		if e.Kind != record.KindRound {
			continue
		}
		round, err := e.Round()
		check(t, err)
		if round.Number != number || round.Model != variedRound(number).Model {
			t.Fatalf("entry %d is round %d with model %v", e.Seq, round.Number, round.Model)
		}
		number++
	}
}
