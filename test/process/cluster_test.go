//go:build linux

package process

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
)

// cluster is a coordinator and workers that were started one by one, as on many machines.
type cluster struct {
	address, http string
	dir, data     string   // of the store, and of the data and the specs
	more          []string // flags for the coordinator

	coordinator *process
	past        []*process // coordinators that are gone
	workers     []*process // by number; one that was started again takes its predecessor's place
}

// newCluster starts a coordinator with a store in dir and so many workers, with one slot each, on the data in data.
func newCluster(t *testing.T, dir, data string, workers int, more ...string) *cluster {
	t.Helper()
	c := &cluster{address: address(t), http: address(t), dir: dir, data: data, more: more, workers: make([]*process, workers)}
	c.startCoordinator(t)
	for i := range c.workers {
		c.startWorker(t, i)
	}
	return c
}

func (c *cluster) startCoordinator(t *testing.T) {
	t.Helper()
	if c.coordinator != nil {
		c.past = append(c.past, c.coordinator)
	}
	c.coordinator = start(t, "coordinator", append([]string{"coordinator", "-v",
		"--listen", c.address, "--http", c.http, "--dir", c.dir, "--data", c.data}, c.more...)...)
	c.coordinator.await(t, 0, "msg", "coordinator serves")
}

// startWorker starts worker i, or starts it again: with the same name and directory.
func (c *cluster) startWorker(t *testing.T, i int) {
	t.Helper()
	c.workers[i] = start(t, workerName(i), "worker", "-v", "--coordinator", c.address, "--name", workerName(i),
		"--slots", "1", "--dir", filepath.Join(c.dir, "workers"), "--data", c.data)
}

func workerName(i int) string { return fmt.Sprintf("w%d", i) }

// awaitWorkers waits until all workers have joined the coordinator that runs now.
func (c *cluster) awaitWorkers(t *testing.T) {
	t.Helper()
	for i := range c.workers {
		c.coordinator.await(t, 0, "msg", "worker joined", "worker", workerName(i))
	}
}

// submit queues the spec in the cluster's data folder and returns the run's id.
func (c *cluster) submit(t *testing.T, name string, set ...string) string {
	t.Helper()
	args := []string{"submit", filepath.Join(c.data, name), "--coordinator", c.address}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return strings.TrimSpace(succeed(t, args...))
}

// awaitEnd waits until the coordinator says how the run ended.
func (c *cluster) awaitEnd(t *testing.T, run string) string {
	t.Helper()
	l, _ := c.coordinator.await(t, 0, "msg", "run ended", "run", run)
	return l.attrs["status"]
}

// shown is the part that the tests look at of what `runs show --json` prints.
type shown struct {
	Run    string `json:"run"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Rounds []struct {
		Round        int    `json:"round"`
		Participants []int  `json:"participants"`
		ModelSHA256  string `json:"model_sha256"`
		RecordSHA256 string `json:"record_sha256"`
		Drift        struct {
			DriftRel *float64 `json:"drift_rel"`
		} `json:"drift"`
		Layers []struct {
			Rank *int `json:"rank"`
		} `json:"layers"`
	} `json:"rounds"`
}

// show returns what is recorded of a run, asked of the coordinator, or read in its directory if it is gone.
func (c *cluster) show(t *testing.T, run string) shown {
	t.Helper()
	where := []string{"--coordinator", c.address}
	select {
	case <-c.coordinator.ended:
		where = []string{"--dir", c.dir}
	default:
	}
	return decode[shown](t, succeed(t, append([]string{"runs", "show", run, "--json"}, where...)...))
}

func (s shown) model() string {
	if len(s.Rounds) == 0 {
		return ""
	}
	return s.Rounds[len(s.Rounds)-1].ModelSHA256
}

// outcome is the part that the tests look at of what `run --json` prints.
type outcome struct {
	Run         string `json:"run"`
	Status      string `json:"status"`
	Rounds      int    `json:"rounds"`
	ModelSHA256 string `json:"model_sha256"`
}

// undisturbed returns the hash of the last model of a spec that `fedrelu run` carries out in peace.
func undisturbed(t *testing.T, spec string, set ...string) string {
	t.Helper()
	args := []string{"run", spec, "--json", "--dir", filepath.Join(t.TempDir(), "store")}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	o := decode[outcome](t, succeed(t, args...))
	if o.Status != "completed" || len(o.ModelSHA256) != 64 {
		t.Fatalf("the undisturbed run: %+v", o)
	}
	return o.ModelSHA256
}

// verify fails the test unless `fedrelu verify` finds the store of a coordinator that is gone in order.
func verify(t *testing.T, dir string) {
	t.Helper()
	r := command(t, "verify", dir, "--json")
	if r.code != 0 || !json.Valid([]byte(r.stdout)) {
		t.Errorf("fedrelu verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// checkChain fails the test unless the chain of a run in the store of a coordinator that is gone has each round from 0 to
// rounds once, in order, and at most one measurement of each, after it.
func checkChain(t *testing.T, dir, run string, rounds int) {
	t.Helper()
	s, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next, measured := 0, make(map[int]bool)
	for e, err := range s.Entries(run, 0) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case record.KindRound:
			body, err := e.Round()
			if err != nil || body.Number != next {
				t.Errorf("entry %d is round %d (%v), want %d", e.Seq, body.Number, err, next)
			}
			next = body.Number + 1
		case record.KindMeasured:
			body, err := e.Measured()
			if err != nil || measured[body.Round] || body.Round >= next {
				t.Errorf("entry %d measures round %d (%v) again, or before it", e.Seq, body.Round, err)
			}
			measured[body.Round] = true
		default:
			t.Errorf("entry %d is of kind %v", e.Seq, e.Kind)
		}
	}
	if next != rounds+1 {
		t.Errorf("the chain ends with round %d, want %d", next-1, rounds)
	}
}

func decode[D any](t *testing.T, document string) D {
	t.Helper()
	var d D
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatalf("%v in %.200q", err, document)
	}
	return d
}

// address returns host:port for a listener on loopback. The port lies below those that the system gives to outgoing
// connections, so that it stays free while its owner is started again.
func address(t *testing.T) string {
	t.Helper()
	for range 100 {
		a := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if l, err := net.Listen("tcp", a); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return a
		}
	}
	t.Fatal("no free port")
	return ""
}
