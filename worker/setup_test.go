package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	examples = 120
	features = 6
	classes  = 3
	shards   = 12
)

// writeData puts a training set, drawn by seed, into dir.
func writeData(t testing.TB, dir string, seed uint64) {
	t.Helper()
	s := keyed.New(seed, "test data")
	x, y := make([]float32, examples*features), make([]int32, examples)
	for i := range x {
		x[i] = float32(s.Normal())
	}
	for i := range y {
		y[i] = int32(i % classes)
	}
	var file bytes.Buffer
	err := safetensors.Write(&file, []safetensors.Tensor{
		{Name: "x", Shape: []int{examples, features}, Values: x}, {Name: "y", Shape: []int{examples}, Values: y},
	}, nil)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "train.safetensors"), file.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// setup is a run as both sides know it, and the oracle of what a worker must send.
type setup struct {
	t       *testing.T
	data    string // folder
	job     *localsgd.Job
	start   wire.StartRun
	trainer *localsgd.Trainer
}

// defaultSpec trains in microseconds.
const defaultSpec = `
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 12}
model: {mlp: {hidden: [8]}}
local: {steps: 4, batch: 5, optimizer: {sgd: {lr: 0.1, momentum: 0.5}}}
`

// endlessSpec trains for longer than any test waits.
const endlessSpec = `
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 12}
model: {mlp: {hidden: [8]}}
local: {steps: 1000000000, batch: 5}
`

func newSetup(t *testing.T, text string) *setup {
	t.Helper()
	dir := t.TempDir()
	writeData(t, dir, 1)
	return openSetup(t, dir, text)
}

// openSetup reads the spec on the data in dir.
func openSetup(t *testing.T, dir, text string) *setup {
	t.Helper()
	s := openSpec(t, text)
	data, err := workload.Load(s.Source(), dir, shard.Training)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	return &setup{t: t, data: dir, job: job, trainer: localsgd.NewTrainer(job), start: wire.StartRun{
		Run: "run-1", Spec: s.Proto(), Layout: job.Net.Layout().Fingerprint(), Data: data.Fingerprint(),
	}}
}

func openSpec(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("test.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// key names a round of the run.
func (s *setup) key(round int) wire.Key { return wire.Key{Run: s.start.Run, Round: round} }

// model returns a start model that differs by number.
func (s *setup) model(number int) []float32 {
	block := s.job.Start()
	stream := keyed.New(uint64(number), "test model")
	for i := range block {
		block[i] += float32(0.01 * stream.Normal())
	}
	return block
}

// weight is a shard's weight in all tests: unequal, and together less than a whole.
func weight(k int) localsgd.Weight { return localsgd.One/(2*shards) + localsgd.Weight(12345*k) }

// assign is an Assign of shards.
func (s *setup) assign(round int, start tensor.Hash, ks ...int) wire.Assign {
	a := wire.Assign{Key: s.key(round), Start: start, Sum: true}
	for _, k := range ks {
		a.Tasks = append(a.Tasks, wire.Task{Shard: k, Weight: weight(k)})
	}
	return a
}

// end trains a shard.
func (s *setup) end(round int, start []float32, k int) ([]float32, localsgd.Facts) {
	s.t.Helper()
	end := make([]float32, len(start))
	facts, err := s.trainer.Train(context.Background(), localsgd.Task{Round: round, Shard: k}, localsgd.NewGrid(s.job.Net.Layout(), start), localsgd.Blocks{Start: start, End: end})
	if err != nil {
		s.t.Fatal(err)
	}
	return end, facts
}

// payload is what a push of these shards must consist of.
func (s *setup) payload(round int, start []float32, ks ...int) []byte {
	s.t.Helper()
	sum := localsgd.NewSum(localsgd.NewGrid(s.job.Net.Layout(), start))
	for _, k := range ks {
		end, _ := s.end(round, start, k)
		if err := sum.Add(localsgd.Share{Shard: k, Weight: weight(k)}, end); err != nil {
			s.t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if block := sum.Single(); block != nil {
		for part := range tensor.Chunks(block, 1<<20) {
			out.Write(part)
		}
	} else if _, err := sum.WriteTo(&out); err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes()
}

// check compares a push with what it must be.
func (s *setup) check(p *push, round int, start []float32) {
	s.t.Helper()
	if p.Start != tensor.HashBlock(start) || p.Layout != s.start.Layout || p.Key != s.key(round) {
		s.t.Errorf("push of %v, start %s, layout %s", p.Key, p.Start, p.Layout)
	}
	if p.Sum != (len(p.Tasks) > 1) {
		s.t.Errorf("push of %d tasks with sum = %t", len(p.Tasks), p.Sum)
	}
	if want := localsgd.NewGrid(s.job.Net.Layout(), start).Quanta(); p.Sum && fmt.Sprint(p.Quanta) != fmt.Sprint(want) {
		s.t.Errorf("quanta %v, want %v", p.Quanta, want)
	}
	if !bytes.Equal(p.payload, s.payload(round, start, p.Shards()...)) {
		s.t.Errorf("the payload of shards %v is not the sum of their updates", p.Shards())
	}
	for _, task := range p.Tasks {
		_, facts := s.end(round, start, task.Shard)
		if task.Facts != facts || task.Weight != weight(task.Shard) || task.Train <= 0 {
			s.t.Errorf("task %+v, want facts %+v and weight %d", task, facts, weight(task.Shard))
		}
	}
}

// running is a worker under test.
type running struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// config is a worker's configuration for tests: it pushes only what it is asked for.
func (s *setup) config(c *coordinator) worker.Config {
	return worker.Config{
		Name: "w", Dir: s.t.TempDir(), Data: s.data, Slots: 2, Dial: c.dial,
		Backoff: worker.Backoff{First: time.Millisecond, Max: 4 * time.Millisecond}, PushAfter: time.Hour,
	}
}

// run starts a worker, which must stop well at the end of the test unless wait was called before.
func run(t *testing.T, cfg worker.Config) *running {
	t.Helper()
	w, err := worker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := &running{t: t, stop: stop, done: done}
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if r.done != nil {
			if err := r.wait(); err != nil {
				t.Errorf("the worker ended with %v", err)
			}
		}
	})
	return r
}

// wait returns what Run returned.
func (r *running) wait() error {
	r.t.Helper()
	done := r.done
	r.done = nil
	return receive(r.t, "end of the worker", done)
}

// begin starts a coordinator and a worker and brings them to RunReady.
func begin(t *testing.T, text string) (*setup, *coordinator, *session) {
	t.Helper()
	s, c := newSetup(t, text), newCoordinator(t)
	run(t, s.config(c))
	return s, c, c.open(s, 1)
}

// open admits the worker and opens the run in the session.
func (c *coordinator) open(s *setup, number uint64) *session {
	c.t.Helper()
	session := c.admit(number)
	session.say(s.start)
	if ready := hear[wire.RunReady](session); ready.Run != s.start.Run || len(ready.Holding) > 0 {
		c.t.Fatalf("heard %+v", ready)
	}
	return session
}

func hashOf(block []float32) tensor.Hash { return tensor.HashBlock(block) }

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
