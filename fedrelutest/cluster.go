package fedrelutest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/replay"
	"github.com/fedrelu/fedrelu/coordinator/rpc"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

// Option changes how a cluster is made.
type Option func(*settings)

type settings struct {
	data   string
	dir    string
	slots  int
	logger *slog.Logger
	wrap   func(net.Conn) net.Conn
	brings map[int]brought
}

// brought is what a worker brings.
type brought struct {
	dir    string
	shards []wire.Range
}

// Data makes relative data paths of the spec start in the folder dir.
func Data(dir string) Option { return func(s *settings) { s.data = dir } }

// Dir keeps the store in dir instead of a folder that goes with the test.
func Dir(dir string) Option { return func(s *settings) { s.dir = dir } }

// Slots lets each worker compute so many tasks at once, instead of one.
func Slots(n int) Option { return func(s *settings) { s.slots = n } }

// Logger hears what coordinator and workers have to say; by default nobody does.
func Logger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// Connections wraps every connection of a worker, for example in one that delays.
func Connections(wrap func(net.Conn) net.Conn) Option { return func(s *settings) { s.wrap = wrap } }

// Brings makes a worker, counted from 0, serve these shards alone, with data from the folder dir instead of Data's.
func Brings(worker int, dir string, shards ...int) Option {
	b := brought{dir: dir}
	for _, k := range shards {
		b.shards = append(b.shards, wire.Range{First: k, Last: k})
	}
	return func(s *settings) {
		if s.brings == nil {
			s.brings = map[int]brought{}
		}
		s.brings[worker] = b
	}
}

// Run is a run on a cluster.
type Run struct {
	t   testing.TB
	c   *coordinator.Coordinator
	id  string
	ctx context.Context
}

// Start runs the spec, in YAML, on a new cluster of so many workers. It fails the test at once if the spec is not valid or
// the cluster cannot be had.
func Start(t testing.TB, specYAML string, workers int, options ...Option) *Run {
	t.Helper()
	set := settings{slots: 1, logger: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&set)
	}
	if set.dir == "" {
		set.dir = t.TempDir()
	}
	s, err := spec.Parse("spec", []byte(specYAML), nil)
	if err != nil {
		t.Fatalf("fedrelutest: %v", err)
	}
	c, err := coordinator.Open(coordinator.Config{Dir: set.dir, Data: set.data, Build: "test", Address: "in-process", Local: true, Logger: set.logger})
	if err != nil {
		t.Fatalf("fedrelutest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	listener := bufconn.Listen(1 << 20)
	server := rpc.NewServer(c)
	all.Go(func() { serve(t, server, listener) })
	all.Go(func() {
		defer server.Stop()
		if err := c.Run(ctx); err != nil {
			t.Errorf("fedrelutest: coordinator: %v", err)
		}
	})
	for i := range workers {
		w := openWorker(t, set, i, listener)
		all.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Errorf("fedrelutest: worker %d: %v", i, err)
			}
		})
	}
	id, err := c.Submit(s)
	if err != nil {
		t.Fatalf("fedrelutest: %v", err)
	}
	return &Run{t: t, c: c, id: id, ctx: ctx}
}

func serve(t testing.TB, server *grpc.Server, listener net.Listener) {
	if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		t.Errorf("fedrelutest: serving: %v", err)
	}
}

func openWorker(t testing.TB, set settings, i int, listener *bufconn.Listener) *worker.Worker {
	t.Helper()
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := listener.DialContext(ctx)
		if err == nil && set.wrap != nil {
			conn = set.wrap(conn)
		}
		return conn, err
	}
	b, brings := set.brings[i]
	if !brings {
		b.dir = set.data
	}
	w, err := worker.Open(worker.Config{
		Name: fmt.Sprintf("worker-%d", i), Dir: t.TempDir(), Data: b.dir, Shards: b.shards, Slots: set.slots, Build: "test", Logger: set.logger,
		Dial: func(context.Context) (*grpc.ClientConn, error) {
			return grpc.NewClient("passthrough:///in-process", grpc.WithContextDialer(dial),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
		},
	})
	if err != nil {
		t.Fatalf("fedrelutest: worker %d: %v", i, err)
	}
	return w
}

// Result is how a run ended. Numbers that were not measured are nil.
type Result struct {
	Run          string
	Status       string // completed, stopped, failed or cancelled
	Reason       string
	Rounds       []Round // committed ones, from round 1
	ModelSHA256  string  // of the last model; of the start model if there was no round
	TestAccuracy *float64
	TestLoss     *float64
}

// Round is one committed round.
type Round struct {
	Number                            int
	Participants                      []int
	TestAccuracy, TestLoss, TrainLoss *float64
	DriftRel                          *float64        // of the drift, where it was measured
	Readings                          []study.Reading // of the spec's studies
	Missing                           []study.Missing // what was due of them and is not there
	ModelSHA256                       string
	Arrivals                          []record.Arrival // of an asynchronous round, in the order in which they were counted
	Discarded                         int              // tasks of an asynchronous run that became too old meanwhile
}

// Wait waits until the run has ended, and returns how. It fails the test if the cluster ends before the run.
func (r *Run) Wait() Result {
	r.t.Helper()
	run, history := r.follow()
	return resultOf(run, history)
}

// Replay waits likewise, computes the run again from its record, with data from the folder dir, and returns the first difference.
func (r *Run) Replay(dir string) error {
	r.t.Helper()
	run, rounds := r.follow()
	again, err := replay.Open(run, dir, func([]float32) error { return store.ErrNoModel })
	if err != nil {
		return err
	}
	for _, round := range rounds {
		if err := again.Round(r.ctx, round.Round); err != nil {
			return err
		}
	}
	return nil
}

// follow waits until the run has ended, and returns its record.
func (r *Run) follow() (record.Run, []*record.RoundHistory) {
	r.t.Helper()
	var run record.Run
	var history record.History
	err := r.c.Follow(r.ctx, r.id, 0, true, func(u coordinator.Update) error {
		switch {
		case u.Run != nil:
			run = *u.Run
		case u.Entry != nil:
			return history.Add(*u.Entry)
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("fedrelutest: following run %s: %v", r.id, err)
	}
	return run, history.Rounds()
}

// Model returns the parameters of the model after a round that the run has made and its keep has kept, as the store has them. It
// fails the test if they are not there.
func (r *Run) Model(round int) []float32 {
	r.t.Helper()
	_, hash, model, err := r.c.OpenModel(r.id, &round)
	if err != nil {
		r.t.Fatalf("fedrelutest: model of round %d of run %s: %v", round, r.id, err)
	}
	defer model.Close()
	var body bytes.Buffer
	if err := model.Copy(r.ctx, &body); err != nil {
		r.t.Fatalf("fedrelutest: reading the model of round %d of run %s: %v", round, r.id, err)
	}
	block := make([]float32, model.Values())
	tensor.Decode(block, body.Bytes())
	if got := tensor.HashBlock(block); got != hash {
		r.t.Fatalf("fedrelutest: the model of round %d of run %s has the hash %s, its record says %s", round, r.id, got, hash)
	}
	return block
}

func resultOf(run record.Run, rounds []*record.RoundHistory) Result {
	res := Result{Run: run.ID, Status: run.Status.String(), Reason: run.Reason}
	for _, h := range rounds {
		res.ModelSHA256, res.TestAccuracy, res.TestLoss = h.Model.String(), h.TestAccuracy, h.TestLoss
		if h.Number == 0 {
			continue
		}
		round := Round{
			Number: h.Number, Participants: h.Participants,
			TestAccuracy: h.TestAccuracy, TestLoss: h.TestLoss, TrainLoss: h.TrainLoss, ModelSHA256: h.Model.String(),
			Arrivals: h.Arrivals, Discarded: len(h.Discarded),
		}
		if h.Measured != nil && h.Measured.Drift != nil {
			round.DriftRel = h.Measured.Drift.DriftRel
		}
		if h.Measured != nil {
			round.Readings, round.Missing = h.Measured.Readings, h.Measured.Missing
		}
		res.Rounds = append(res.Rounds, round)
	}
	return res
}
