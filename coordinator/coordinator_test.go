package coordinator

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func checkModels(t *testing.T, rounds []*record.RoundHistory, want []tensor.Hash) {
	t.Helper()
	if len(rounds) != len(want) {
		t.Fatalf("%d rounds with round 0, want %d", len(rounds), len(want))
	}
	for i, r := range rounds {
		if r.Number != i || r.Model != want[i] {
			t.Errorf("entry %d is round %d with model %s, want %s", i, r.Number, r.Model, want[i])
		}
	}
}

func TestRunEqualsOneProcess(t *testing.T) {
	s := parse(t, 4, "participation: {count: 3}")
	b := start(t, Config{})
	b.join("a", s, nil)
	b.join("b", s, nil)
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
	for _, r := range rounds[1:] {
		if r.Measured == nil || r.Measured.Drift == nil || len(r.Measured.Drift.Shards) != 2 || len(r.Measured.Layers) != 2 {
			t.Errorf("round %d: measured %+v", r.Number, r.Measured)
		}
		if len(r.Participants) != 3 || r.TrainLoss == nil || r.CloseReason == "" || r.Examples != 60 {
			t.Errorf("round %d: %+v", r.Number, r.Round)
		}
		sum := r.Seconds.Train + r.Seconds.Wait + r.Seconds.Network + r.Seconds.Aggregate
		if r.Commit == nil || r.Total() < sum || r.Total() <= 0 {
			t.Errorf("round %d takes %g of which %g before the commit", r.Number, r.Total(), sum)
		}
	}
}

// A worker that dies with its tasks, or that comes back, changes no bit.
func TestLostWorkerChangesNothing(t *testing.T) {
	s := parse(t, 3, "")
	b := start(t, Config{})
	seen := make(chan struct{}, 100)
	dead := b.join("dead", s, func(w *hand) {
		w.onAssign = func(wire.Assign) bool { seen <- struct{}{}; return false }
	})
	id := b.submit(s)
	<-seen
	b.join("a", s, nil)
	b.Leave(dead.s, ErrLost)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}

// However often the coordinator is stopped and started, the chain is that of an undisturbed run.
func TestStopsChangeNothing(t *testing.T) {
	s := parse(t, 5, "")
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	id := b.submit(s)
	for number := 1; number < 5; number++ {
		b.join("a", s, nil)
		b.until(id, number)
		b.end()
		b = start(t, Config{Dir: dir, Resume: true})
	}
	b.join("a", s, nil)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
	b.end()
	report, err := store.Verify(dir)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v %v", err, report)
	}
}

func TestRefusedPushesDoNotCount(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *wire.Push, body []byte)
		want   string
	}{
		{"checksum", func(_ *wire.Push, body []byte) { body[5] ^= 1 }, "payload_sha256"},
		{"start", func(p *wire.Push, _ []byte) { p.Start[0] ^= 1 }, "start_sha256"},
		{"layout", func(p *wire.Push, _ []byte) { p.Layout[0] ^= 1 }, "layout_fingerprint"},
		{"size", func(p *wire.Push, _ []byte) { p.Bytes -= 4 }, "payload_bytes"},
		{"weight", func(p *wire.Push, _ []byte) { p.Tasks[0].Weight++ }, "weight of shard"},
		{"shard", func(p *wire.Push, _ []byte) { p.Tasks[0].Shard = 77 }, "shard 77 does not take part"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, 2, "")
			b := start(t, Config{})
			first := true
			bad := b.join("bad", s, func(w *hand) {
				w.change = func(p *wire.Push, body []byte) {
					if first {
						c.change(p, body)
					}
					first = false
				}
			})
			id := b.submit(s)
			if r := <-bad.replies; r.Verdict != wire.Refused || !strings.Contains(r.Reason, c.want) {
				t.Fatalf("the bad push: %v %q, want it refused for %q", r.Verdict, r.Reason, c.want)
			}
			b.Leave(bad.s, ErrLost)
			b.join("good", s, nil)
			run, rounds := b.wait(id)
			if run.Status != record.Completed {
				t.Fatalf("%v: %s", run.Status, run.Reason)
			}
			checkModels(t, rounds, oracle(t, s))
		})
	}
}

func TestDivergenceFailsWithAdvice(t *testing.T) {
	s := parse(t, 3, "local: {optimizer: {sgd: {lr: 1e6}}}")
	b := start(t, Config{})
	b.join("a", s, nil)
	run, _ := b.wait(b.submit(s))
	if run.Status != record.Failed || !strings.Contains(run.Reason, "local.optimizer.sgd.lr") {
		t.Errorf("%v: %q", run.Status, run.Reason)
	}
}

func TestNobodyComes(t *testing.T) {
	s := parse(t, 3, "give_up: 1s")
	b := start(t, Config{})
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Stopped || !strings.Contains(run.Reason, "no worker") || len(rounds) != 1 {
		t.Fatalf("%v: %q after %d rounds", run.Status, run.Reason, len(rounds))
	}
	// It can go on later.
	b.join("a", s, nil)
	if err := b.Resume(run.ID); err != nil {
		t.Fatal(err)
	}
	run, rounds = b.wait(run.ID)
	if run.Status != record.Completed {
		t.Fatalf("%v: %q", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}

func TestMeasurementWithoutWorkersIsGivenUp(t *testing.T) {
	s := parse(t, 1, "")
	b := start(t, Config{MeasureGiveUp: 30 * time.Millisecond})
	b.join("a", s, func(h *hand) {
		h.onMeasure = func(wire.Measure) bool { b.Leave(h.s, ErrLost); return false }
	})
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Completed || len(rounds) != 2 {
		t.Fatalf("%v: %q", run.Status, run.Reason)
	}
	m := rounds[1].Measured
	if m == nil || m.Drift != nil || !strings.Contains(m.DriftReason, "no worker could measure") || len(m.Layers) != 2 {
		t.Errorf("measured %+v", m)
	}
}

func TestQueueAndCancel(t *testing.T) {
	s := parse(t, 2, "")
	b := start(t, Config{})
	first, second, third := b.submit(s), b.submit(s), b.submit(s)
	b.until(first, 0)
	if err := b.Cancel(second); err != nil {
		t.Fatal(err)
	}
	if err := b.Cancel(first); err != nil {
		t.Fatal(err)
	}
	b.join("a", s, nil)
	for _, want := range []struct {
		id     string
		status record.Status
	}{{first, record.Cancelled}, {second, record.Cancelled}, {third, record.Completed}} {
		if run, _ := b.wait(want.id); run.Status != want.status {
			t.Errorf("run %s is %v, want %v", want.id, run.Status, want.status)
		}
	}
	if err := b.Cancel(third); !errors.Is(err, ErrStatus) && !errors.Is(err, store.ErrFixed) {
		t.Errorf("cancelling a completed run: %v", err)
	}
	if err := b.Remove(first); err != nil {
		t.Error(err)
	}
	if _, err := b.Find(first); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("a removed run: %v", err)
	}
}

func TestMembership(t *testing.T) {
	b := start(t, Config{Token: []byte("secret")})
	hello := b.hello("a")
	join := func(change func(*wire.Hello)) (*Session, error) {
		h := hello
		h.Token = []byte("secret")
		if change != nil {
			change(&h)
		}
		return b.Join(h)
	}
	for _, c := range []struct {
		name   string
		change func(*wire.Hello)
		want   error
	}{
		{"protocol", func(h *wire.Hello) { h.Protocol++ }, ErrVersion},
		{"numerics", func(h *wire.Hello) { h.Numerics++ }, ErrVersion},
		{"token", func(h *wire.Hello) { h.Token = []byte("secret ") }, ErrToken},
		{"no token", func(h *wire.Hello) { h.Token = nil }, ErrToken},
		{"shards", func(h *wire.Hello) { h.Shards = []wire.Range{{First: 5, Last: 2}} }, ErrHello},
	} {
		if _, err := join(c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	one, err := join(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join(func(h *wire.Hello) { h.Instance[0] = 'x' }); !errors.Is(err, ErrNameInUse) {
		t.Errorf("another live worker with the name: %v", err)
	}
	again, err := join(nil)
	if err != nil {
		t.Fatal(err)
	}
	<-one.Done()
	if !errors.Is(one.Err(), ErrFenced) {
		t.Errorf("the old session ended with %v", one.Err())
	}
	b.Leave(again, io.EOF)
	if _, err := join(func(h *wire.Hello) { h.Instance[0] = 'x' }); err != nil {
		t.Errorf("a worker with the name of one that has left: %v", err)
	}
}

func TestSilentWorkerIsLost(t *testing.T) {
	b := start(t, Config{Heartbeat: 5 * time.Millisecond, Lost: 20 * time.Millisecond})
	s, err := b.Join(b.hello("a"))
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if !errors.Is(s.Err(), ErrLost) {
		t.Errorf("ended with %v", s.Err())
	}
}

// A model that is damaged on disk is computed again from the newest intact one, to its recorded hash, and the run goes on.
func TestDamagedModelIsComputedAgain(t *testing.T) {
	s := parse(t, 5, "keep: {last: 4}")
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	b.join("a", s, nil)
	id := b.submit(s)
	b.until(id, 3)
	b.end()
	hashes := oracle(t, s)
	st, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	state, err := st.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	damageModel(t, dir, hashes[state.Last])
	b = start(t, Config{Dir: dir, Resume: true})
	b.join("a", s, nil)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, hashes)
	repaired := 0
	if err := b.Follow(t.Context(), id, 0, false, func(u Update) error {
		if u.Entry != nil && u.Entry.Kind == record.KindRepaired {
			repaired++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if repaired != 1 {
		t.Errorf("%d models were repaired, want 1", repaired)
	}
}

// damageModel flips a bit in each place of the file that holds the model's end.
func damageModel(t *testing.T, dir string, hash tensor.Hash) {
	t.Helper()
	var needle []byte
	st, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := st.Runs()
	if err != nil {
		t.Fatal(err)
	}
	m, err := st.OpenModel(runs[0].ID, hash)
	if err != nil {
		t.Fatal(err)
	}
	if needle, err = m.Append(nil, 0); err != nil {
		t.Fatal(err)
	}
	m.Close()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	path := dir + "/fedrelu.db"
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The output layer: weights of pixels that are never set are the same in every model.
	needle = needle[len(needle)-256:]
	at := strings.Index(string(file), string(needle))
	if at < 0 {
		t.Fatal("the model is not in the file as it is")
	}
	for ; at >= 0; at = strings.Index(string(file), string(needle)) {
		file[at+100] ^= 1
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A sum of which one shard counts already is refused whole, and its other shards are done again: nobody waits for them in
// vain, although their worker has forgotten them.
func TestPartlyCountedSumIsDoneAgain(t *testing.T) {
	s := parse(t, 1, "")
	b := start(t, Config{})
	verdict := make(chan wire.PushReply, 1)
	counted := make(chan wire.Task, 1)
	both := make(chan struct{}) // a and b have tasks
	b.join("a", s, func(w *hand) {
		first := true
		w.onAssign = func(m wire.Assign) bool {
			if !first {
				return true
			}
			first = false
			<-both
			w.assign(m)
			<-w.replies
			counted <- m.Tasks[0]
			return false
		}
	})
	b.join("b", s, func(w *hand) {
		first := true
		w.onAssign = func(m wire.Assign) bool {
			if !first {
				return true
			}
			first = false
			close(both)
			reply, err := w.pushSum(m, ascending(append([]wire.Task{<-counted}, m.Tasks...)))
			if err != nil {
				t.Error(err)
			}
			verdict <- reply
			return false
		}
	})
	run, rounds := b.wait(b.submit(s))
	if r := <-verdict; r.Verdict != wire.Late || !strings.Contains(r.Reason, "already") {
		t.Errorf("the sum: %v %q", r.Verdict, r.Reason)
	}
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}

func ascending(tasks []wire.Task) []wire.Task {
	slices.SortFunc(tasks, func(a, b wire.Task) int { return a.Shard - b.Shard })
	return tasks
}

// A round that closes by quorum or deadline goes on without those who have not answered, and its record says who.
func TestRoundsCloseEarlyWhereTheSpecSaysSo(t *testing.T) {
	for _, c := range []struct{ name, more, why string }{
		{"quorum", "close: {quorum: {count: 2, grace: 10ms}}", "quorum"},
		{"deadline", "close: {deadline: {after: 300ms}}", "deadline"},
		{"over-selection", "participation: {count: 2, over: 2}", "2 of 4 shards have answered, as many as are needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, 2, c.more)
			b := start(t, Config{})
			both := make(chan struct{})
			b.join("silent", s, func(w *hand) {
				first := true
				w.onAssign = func(wire.Assign) bool {
					if first {
						close(both)
					}
					first = false
					return false
				}
			})
			b.join("a", s, func(w *hand) {
				w.onAssign = func(m wire.Assign) bool {
					<-both
					if m.Sum {
						t.Error("sums are asked for in a round that may close early")
					}
					return true
				}
			})
			run, rounds := b.wait(b.submit(s))
			if run.Status != record.Completed {
				t.Fatalf("%v: %s", run.Status, run.Reason)
			}
			for _, r := range rounds[1:] {
				if len(r.Participants) == 0 || len(r.Missing) == 0 || len(r.Participants)+len(r.Missing) != 4 || !strings.Contains(r.CloseReason, c.why) {
					t.Errorf("round %d: answered %v, missing %v, %q", r.Number, r.Participants, r.Missing, r.CloseReason)
				}
				for _, a := range r.Absent {
					if !slices.Equal(a.Shards, r.Missing) || a.Reason != "late: in training at worker silent" {
						t.Errorf("round %d: %v are missing because %q", r.Number, a.Shards, a.Reason)
					}
				}
				if len(r.Absent) != 1 {
					t.Errorf("round %d: reasons %v, want one", r.Number, r.Absent)
				}
			}
		})
	}
}

// A worker that lives and never answers holds up a round that waits for all no longer than the task limit, and changes no bit.
func TestTasksOfASilentWorkerGoToOthers(t *testing.T) {
	s := parse(t, 2, "task_limit: 200ms")
	b := start(t, Config{})
	b.join("silent", s, func(w *hand) { w.onAssign = func(wire.Assign) bool { return false } })
	b.join("a", s, nil)
	run, rounds := b.wait(b.submit(s))
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}
