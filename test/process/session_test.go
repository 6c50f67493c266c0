//go:build linux

package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/localsgd"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// TestRefusedHellos: who cannot take part is told why, and is no worker.
func TestRefusedHellos(t *testing.T) {
	c := newCluster(t, t.TempDir(), t.TempDir(), 0)
	living := join(t, c.address, hello("taken"))
	with := func(change func(h *fedreluv1.Hello)) *fedreluv1.WorkerMessage {
		h := hello("w")
		change(h)
		return saying(h)
	}
	for _, test := range []struct {
		name  string
		first *fedreluv1.WorkerMessage
		code  codes.Code
		says  string
	}{
		{"another protocol", with(func(h *fedreluv1.Hello) { h.Protocol++ }), codes.FailedPrecondition,
			fmt.Sprintf("protocol %d", wire.Protocol+1)},
		{"other numerics", with(func(h *fedreluv1.Hello) { h.Numerics += 7 }), codes.FailedPrecondition,
			fmt.Sprintf("numerics %d", localsgd.Numerics+7)},
		{"a living worker's name", with(func(h *fedreluv1.Hello) { h.Name, h.Instance = "taken", make([]byte, 16) }), codes.AlreadyExists,
			`name in use by a live worker: "taken"`},
		{"no name", with(func(h *fedreluv1.Hello) { h.Name = "" }), codes.InvalidArgument, "name"},
		{"a name as long as a book", with(func(h *fedreluv1.Hello) { h.Name = strings.Repeat("x", 100_000) }), codes.InvalidArgument, "name"},
		{"no instance", with(func(h *fedreluv1.Hello) { h.Instance = nil }), codes.InvalidArgument, "instance"},
		{"no slots", with(func(h *fedreluv1.Hello) { h.Slots = 0 }), codes.InvalidArgument, "slots"},
		{"too many slots", with(func(h *fedreluv1.Hello) { h.Slots = 1 << 31 }), codes.InvalidArgument, "slots"},
		{"no shards", with(func(h *fedreluv1.Hello) { h.Shards = []*fedreluv1.ShardRange{{First: 5, Last: 4}} }), codes.InvalidArgument, "shards"},
		{"no hello", wire.EncodeFromWorker(wire.Heartbeat{}), codes.InvalidArgument, "begins with hello"},
		{"nothing", &fedreluv1.WorkerMessage{}, codes.InvalidArgument, "message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := dial(t, c.address, test.first)
			if status.Code(err) != test.code || !strings.Contains(status.Convert(err).Message(), test.says) {
				t.Errorf("%v; want %v with %q", err, test.code, test.says)
			}
		})
	}
	if s := succeed(t, "health", "--coordinator", c.address, "--json"); !strings.Contains(s, `"workers":1`) {
		t.Errorf("health says %s, want one worker", s)
	}
	living.leave()
}

// TestReturnOfAWorker: whoever comes back with name and instance has the place at once, and the old session neither lives
// nor pushes any more.
func TestReturnOfAWorker(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	want := undisturbed(t, writeSpec(t, data, "abuse.yaml", abuseSpec))
	c := newCluster(t, t.TempDir(), data, 0)
	run := c.submit(t, "abuse.yaml")
	old := join(t, c.address, hello("alien"))
	old.takePart(data)
	m := old.assigned()
	b := newBench(old, m)
	p := b.parcel(int(m.GetTasks()[0].GetShard()))

	fresh := join(t, c.address, hello("alien"))
	if err := old.awaitOver(); status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "joined again") {
		t.Errorf("the old session ended with %v, want it fenced off", err)
	}
	reply, err := old.send(p)
	check(t, reply, err, badPush{verdict: refused, says: "is over"})
	fresh.takePart(data)
	if again := fresh.assigned(); !bytes.Equal(again.GetStartSha256(), m.GetStartSha256()) {
		t.Errorf("assigned is %v, want round 1 again", again)
	}
	p.header.Session = fresh.session
	reply, err = fresh.send(p)
	check(t, reply, err, badPush{verdict: counted})
	fresh.leave()
	c.finish(t, run, want)
}

// TestNonsenseOnASession: what cannot be ends the session that said it, and neither another one nor the run.
func TestNonsenseOnASession(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	want := undisturbed(t, writeSpec(t, data, "abuse.yaml", abuseSpec))
	c := newCluster(t, t.TempDir(), data, 0)
	run := c.submit(t, "abuse.yaml")
	witness := join(t, c.address, hello("witness"))
	for _, test := range []struct {
		name string
		m    *fedreluv1.WorkerMessage
	}{
		{"empty", &fedreluv1.WorkerMessage{}},
		{"no run", wire.EncodeFromWorker(wire.Trained{Shards: []int{1}})},
		{"no shards", wire.EncodeFromWorker(wire.Trained{Key: wire.Key{Run: run, Round: 1}})},
		{"shards out of order", wire.EncodeFromWorker(wire.Dropped{Key: wire.Key{Run: run, Round: 1}, Shards: []int{2, 1}})},
		{"hello again", saying(hello("other"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := join(t, c.address, hello("alien"))
			a.takePart(data)
			a.assigned()
			a.say(test.m)
			if err := a.awaitOver(); status.Code(err) != codes.InvalidArgument {
				t.Errorf("the session ended with %v, want InvalidArgument", err)
			}
		})
	}
	t.Run("what is not so", func(t *testing.T) { untruths(t, c, data, run) })
	witness.leave()
	c.finish(t, run, want)
}

// untruths says what may be said and is not so: of shards, rounds and runs that the worker has nothing to do with.
func untruths(t *testing.T, c *cluster, data, run string) {
	a := join(t, c.address, hello("alien"))
	a.takePart(data)
	m := a.assigned()
	for _, key := range []wire.Key{{Run: run, Round: 1}, {Run: run, Round: 2}, {Run: "another", Round: 1}} {
		for _, shard := range []int{0, 1, 2, 3, 4, 1000} {
			for _, m := range []wire.FromWorker{
				wire.Trained{Key: key, Shards: []int{shard}},
				wire.Dropped{Key: key, Shards: []int{shard}, Reason: "no reason"},
				wire.DriftFailed{Key: key, Shard: shard, Reason: "no reason"},
				wire.RunRefused{Run: "another", Reason: "no reason"},
			} {
				a.say(wire.EncodeFromWorker(m))
			}
		}
	}
	b := newBench(a, m)
	reply, err := a.send(b.parcel(b.participants()[0]))
	check(t, reply, err, badPush{verdict: counted})
	a.leave()
}

// TestWorkersOfOneName: of two processes that want to be one worker, the first is.
func TestWorkersOfOneName(t *testing.T) {
	c := newCluster(t, t.TempDir(), t.TempDir(), 1)
	c.awaitWorkers(t)
	for dir, says := range map[string]string{
		filepath.Join(c.dir, "workers"): "in use by another process",
		t.TempDir():                     "a live worker has this name",
	} {
		r := command(t, "worker", "--coordinator", c.address, "--name", workerName(0), "--dir", dir)
		if r.code != 1 || !strings.Contains(r.stderr, says) {
			t.Errorf("exit code %d with %q, want 1 with %q", r.code, r.stderr, says)
		}
	}
}

// TestWorkerWithOtherData: a worker with other data stays out of a run, in words, and the others make it.
func TestWorkerWithOtherData(t *testing.T) {
	data, other := t.TempDir(), t.TempDir()
	writeData(t, data, 32, 60, 20)
	writeData(t, other, 32, 61, 20)
	want := undisturbed(t, writeSpec(t, data, "abuse.yaml", abuseSpec))
	c := newCluster(t, t.TempDir(), data, 0)
	start(t, "stranger", "worker", "--coordinator", c.address, "--name", "stranger", "--dir", t.TempDir(), "--data", other)
	start(t, "empty", "worker", "--coordinator", c.address, "--name", "empty", "--dir", t.TempDir(), "--data", t.TempDir())
	run := c.submit(t, "abuse.yaml")
	for _, name := range []string{"stranger", "empty"} {
		l, _, _ := c.coordinator.awaitOr(t, 0, nil, func(l line) bool {
			return l.attrs["level"] == "ERROR" && l.attrs["worker"] == name
		})
		if why := l.attrs["why"]; !strings.Contains(why, "train") {
			t.Errorf("worker %s stays out because of %q, want the array or the file that is wrong", name, why)
		}
	}
	c.finish(t, run, want)
}

// TestToken: with a token the door is closed to whoever does not have it.
func TestToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, t.TempDir(), t.TempDir(), 0, "--token-file", token)
	for _, wrong := range []string{"", "sesam", "sesame2"} {
		h := hello("w")
		h.Token = []byte(wrong)
		if _, err := dial(t, c.address, saying(h)); status.Code(err) != codes.Unauthenticated {
			t.Errorf("with token %q: %v, want Unauthenticated", wrong, err)
		}
	}
	r := command(t, "worker", "--coordinator", c.address, "--name", "w", "--dir", t.TempDir())
	if r.code != 1 || !strings.Contains(r.stderr, "token") {
		t.Errorf("exit code %d with %q, want 1 with a word about the token", r.code, r.stderr)
	}
	h := hello("w")
	h.Token = []byte("sesame")
	join(t, c.address, h).leave()
}
