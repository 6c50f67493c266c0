package coordinator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// tinySpec trains 80 images of MNIST on four shards.
const tinySpec = `
name: tiny
rounds: %d
data: {mnist: {}}
shards: {count: 4, limit: 80}
model: {mlp: {hidden: [6]}}
evaluate: {every: 0}
checks: {drift: {shards: 2, probe: 4}, rank: {every: 1}}
%s
`

func parse(t testing.TB, rounds int, more string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("spec", fmt.Appendf(nil, tinySpec, rounds, more), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mnistOnce is loaded for all tests of the package.
var mnistOnce = sync.OnceValues(func() (shard.Data, error) { return workload.Load(spec.Source{Data: spec.MNIST{}}, "", shard.All) })

func jobOf(t testing.TB, s *spec.Spec) *localsgd.Job {
	t.Helper()
	data, err := mnistOnce()
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// oracle returns the hash of the model after each round, from round 0, computed in one process.
func oracle(t testing.TB, s *spec.Spec) []tensor.Hash {
	t.Helper()
	job := jobOf(t, s)
	hashes := []tensor.Hash{tensor.HashBlock(job.Start())}
	r := &localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	if _, err := r.Run(context.Background(), s.Rounds, func(_ localsgd.RoundFacts, m []float32) error {
		hashes = append(hashes, tensor.HashBlock(m))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return hashes
}

// bench is a coordinator under test.
type bench struct {
	*Coordinator
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

func start(t testing.TB, cfg Config) *bench {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &bench{Coordinator: c, t: t, stop: stop, done: make(chan error, 1)}
	go func() { b.done <- c.Run(ctx) }()
	t.Cleanup(func() { b.end() })
	return b
}

// end stops the coordinator; a second call does nothing.
func (b *bench) end() {
	b.t.Helper()
	b.stop()
	if err, first := <-b.done; first {
		close(b.done)
		if err != nil {
			b.t.Errorf("coordinator: %v", err)
		}
	}
}

func (b *bench) submit(s *spec.Spec) string {
	b.t.Helper()
	id, err := b.Submit(s)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// wait follows a run to its end.
func (b *bench) wait(id string) (record.Run, []*record.RoundHistory) {
	b.t.Helper()
	var run record.Run
	var h record.History
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	err := b.Follow(ctx, id, 0, true, func(u Update) error {
		switch {
		case u.Run != nil:
			run = *u.Run
		case u.Entry != nil:
			return h.Add(*u.Entry)
		}
		return nil
	})
	if err != nil {
		b.t.Fatalf("following %s: %v", id, err)
	}
	return run, h.Rounds()
}

// until follows a run until its round with this number is committed.
func (b *bench) until(id string, number int) {
	b.t.Helper()
	enough := errors.New("enough")
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	err := b.Follow(ctx, id, 0, true, func(u Update) error {
		if u.Entry == nil || u.Entry.Kind != record.KindRound {
			return nil
		}
		r, err := u.Entry.Round()
		if err == nil && r.Number >= number {
			err = enough
		}
		return err
	})
	if !errors.Is(err, enough) {
		b.t.Fatalf("waiting for round %d of %s: %v", number, id, err)
	}
}

// hand is a scripted worker: it computes what it is told with the code of localsgd, in one goroutine, unless a hook says
// otherwise.
type hand struct {
	b       *bench
	s       *Session
	job     *localsgd.Job
	trainer *localsgd.Trainer
	ends    map[int][]float32
	start   []float32
	states  map[tensor.Hash][]float32 // of shards, that lie with it

	onAssign  func(wire.Assign) bool       // false: do nothing about it
	onMeasure func(wire.Measure) bool      // false: do nothing about it
	onStudy   func(wire.Study)             // nil: do nothing about it
	onReady   func()                       // the coordinator has heard that it is ready
	change    func(p *wire.Push, b []byte) // of a push before it is sent
	replies   chan wire.PushReply
}

func (b *bench) hello(name string) wire.Hello {
	h := wire.Hello{Protocol: wire.Protocol, Numerics: localsgd.Numerics, Name: name, Slots: 1}
	copy(h.Instance[:], name)
	return h
}

func (b *bench) join(name string, s *spec.Spec, script func(*hand)) *hand {
	b.t.Helper()
	job := jobOf(b.t, s) // before it joins: a hand that is silent for long is lost
	session, err := b.Join(b.hello(name))
	if err != nil {
		b.t.Fatal(err)
	}
	w := &hand{b: b, s: session, job: job, trainer: localsgd.NewTrainer(job), ends: make(map[int][]float32), states: make(map[tensor.Hash][]float32), replies: make(chan wire.PushReply, 1000)}
	if script != nil {
		script(w)
	}
	go w.work()
	return w
}

func (w *hand) work() {
	for {
		select {
		case <-w.s.Done():
			return
		case m := <-w.s.Messages():
			w.handle(m)
		}
	}
}

func (w *hand) handle(m wire.ToWorker) {
	switch m := m.(type) {
	case wire.StartRun:
		w.b.Deliver(w.s, wire.RunReady{Run: m.Run, Data: w.job.Data.Fingerprint()})
		if w.onReady != nil {
			w.onReady()
		}
	case wire.Assign:
		if w.onAssign == nil || w.onAssign(m) {
			w.assign(m)
		}
	case wire.Study:
		if w.onStudy != nil {
			w.onStudy(m)
		}
	case wire.Measure:
		if w.onMeasure == nil || w.onMeasure(m) {
			for _, k := range m.Shards {
				// Numbers of no meaning: what is measured is the worker's business.
				w.b.Deliver(w.s, wire.DriftSample{Key: m.Key, Probe: m.Probe, Sample: analysis.Sample{
					Shard: k, Drift: 1, NormEnd: 2, NormModel: 3, Cosine: 0.5, Divergence: 4, NormModelParams: 5}})
			}
		}
	}
}

func (w *hand) fetch(run string, hash tensor.Hash) []float32 {
	var buf bytes.Buffer
	if err := w.b.Fetch(context.Background(), wire.Fetch{Session: uint64(w.s.ID), Run: run, Model: hash},
		func(int64) io.Writer { return &buf }); err != nil {
		return nil
	}
	block := make([]float32, w.job.Net.Parameters())
	tensor.Decode(block, buf.Bytes())
	return block
}

func (w *hand) assign(m wire.Assign) {
	w.start = w.fetch(m.Run, m.Start)
	if w.start == nil {
		return
	}
	for _, t := range m.Tasks {
		end := make([]float32, len(w.start))
		grid := localsgd.NewGrid(w.job.Net.Layout(), w.start)
		blocks := localsgd.Blocks{Start: w.start, End: end, State: w.states[t.State]}
		if n := w.job.ShardState().Size(); n > 0 {
			blocks.Next = make([]float32, n)
		}
		facts, err := w.trainer.Train(context.Background(), localsgd.Task{Round: m.Round, Shard: t.Shard}, grid, blocks)
		if err != nil {
			var d *localsgd.DivergedError
			if errors.As(err, &d) {
				w.b.Deliver(w.s, wire.Diverged{Key: m.Key, Shard: t.Shard, Step: d.Step, Detail: d.Detail})
			}
			continue
		}
		w.push(m, t, blocks, facts)
	}
}

// train carries out a task.
func (w *hand) train(m wire.Assign, shard int) ([]float32, localsgd.Facts) {
	start := w.fetch(m.Run, m.Start)
	end := make([]float32, len(start))
	facts, err := w.trainer.Train(context.Background(), localsgd.Task{Round: m.Round, Shard: shard}, localsgd.NewGrid(w.job.Net.Layout(), start), localsgd.Blocks{Start: start, End: end})
	if err != nil {
		w.b.t.Errorf("training shard %d: %v", shard, err)
	}
	return end, facts
}

// pushSum trains tasks and pushes their sum.
func (w *hand) pushSum(m wire.Assign, tasks []wire.Task) (wire.PushReply, error) {
	grid := localsgd.NewGrid(w.job.Net.Layout(), w.fetch(m.Run, m.Start))
	sum := localsgd.NewSum(grid)
	p := &wire.Push{
		Key: m.Key, Session: uint64(w.s.ID), Start: m.Start, Layout: w.job.Net.Layout().Fingerprint(),
		Sum: true, Quanta: grid.Quanta(), Bytes: grid.SumBytes(),
	}
	for _, t := range tasks {
		end, facts := w.train(m, t.Shard)
		share := localsgd.Share{Shard: t.Shard, Weight: t.Weight}
		if err := sum.Add(share, end); err != nil {
			return wire.PushReply{}, err
		}
		p.Tasks = append(p.Tasks, wire.PushedTask{Share: share, Facts: facts})
	}
	var body bytes.Buffer
	if _, err := sum.WriteTo(&body); err != nil {
		return wire.PushReply{}, err
	}
	p.SHA256 = sha256.Sum256(body.Bytes())
	return w.b.Push(context.Background(), p, func(to io.Writer) error {
		_, err := to.Write(body.Bytes())
		return err
	})
}

func (w *hand) push(m wire.Assign, t wire.Task, made localsgd.Blocks, facts localsgd.Facts) {
	var body []byte
	for part := range tensor.Chunks(made.End, 1<<16) {
		body = append(body, part...)
	}
	p := &wire.Push{
		Key: m.Key, Session: uint64(w.s.ID), Start: m.Start, Layout: w.job.Net.Layout().Fingerprint(),
		Tasks: []wire.PushedTask{{Share: localsgd.Share{Shard: t.Shard, Weight: t.Weight}, Facts: facts}},
		Bytes: int64(len(body)), SHA256: sha256.Sum256(body),
	}
	if made.Next != nil { // it stays here
		p.Tasks[0].State = tensor.HashBlock(made.Next)
		w.states[p.Tasks[0].State] = made.Next
	}
	if w.change != nil {
		w.change(p, body)
	}
	reply, err := w.b.Push(context.Background(), p, func(to io.Writer) error {
		_, err := to.Write(body)
		return err
	})
	if err == nil {
		w.replies <- reply
	}
}
