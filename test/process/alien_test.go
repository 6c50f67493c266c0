//go:build linux

package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// alien is a worker that is none of ours: it speaks the schema, and says what the test wants said.
type alien struct {
	t       *testing.T
	stub    fedreluv1.WorkerServiceClient
	session uint64

	mu     sync.Mutex // of sending
	stream grpc.BidiStreamingClient[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]
	heard  chan *fedreluv1.CoordinatorMessage
	over   chan struct{} // closed when the coordinator has ended the session; err says how
	err    error

	job  *localsgd.Job // of the run that it takes part in
	plan localsgd.Algorithm
}

// hello is what a worker of this build says first.
func hello(name string) *fedreluv1.Hello {
	return &fedreluv1.Hello{
		Protocol: wire.Protocol, Numerics: localsgd.Numerics, Build: "alien", Name: name,
		Instance: []byte("0123456789abcdef"), Slots: 1,
	}
}

func saying(h *fedreluv1.Hello) *fedreluv1.WorkerMessage {
	return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Hello{Hello: h}}
}

// dial begins a session with the first message, and returns it once the coordinator has welcomed or refused it; then the
// error is its status. A session lives until the test or the coordinator ends it.
func dial(t *testing.T, address string, first *fedreluv1.WorkerMessage) (*alien, error) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &alien{
		t: t, stub: fedreluv1.NewWorkerServiceClient(conn),
		heard: make(chan *fedreluv1.CoordinatorMessage, 1000), over: make(chan struct{}),
	}
	if a.stream, err = a.stub.Session(ctx, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(a.listen)
	all.Go(func() { a.beat(ctx) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
		_ = conn.Close() // nothing is left on it
	})
	a.say(first)
	select {
	case m := <-a.heard:
		a.session = m.GetWelcome().GetSession()
		return a, nil
	case <-a.over:
		return a, a.err
	case <-time.After(patience):
		t.Fatalf("no answer to %v", first)
		return nil, nil
	}
}

// join is dial for an alien that must be welcome.
func join(t *testing.T, address string, h *fedreluv1.Hello) *alien {
	t.Helper()
	a, err := dial(t, address, saying(h))
	if err != nil {
		t.Fatalf("joining: %v", err)
	}
	return a
}

func (a *alien) listen() {
	defer close(a.over)
	for {
		m, err := a.stream.Recv()
		if err != nil {
			a.err = err
			return
		}
		a.heard <- m
	}
}

func (a *alien) beat(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.say(wire.EncodeFromWorker(wire.Heartbeat{}))
		case <-a.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// say sends a message; listening tells what comes of it.
func (a *alien) say(m *fedreluv1.WorkerMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.stream.Send(m)
}

// leave ends the session.
func (a *alien) leave() {
	a.t.Helper()
	a.mu.Lock()
	_ = a.stream.CloseSend() // it never fails
	a.mu.Unlock()
	a.awaitOver()
}

// awaitOver waits for the end of the session and returns its status.
func (a *alien) awaitOver() error {
	a.t.Helper()
	select {
	case <-a.over:
		return a.err
	case <-time.After(patience):
		a.t.Fatal("the coordinator has not ended the session")
		return nil
	}
}

// hear returns the next message for which want returns true; others pass.
func (a *alien) hear(want func(*fedreluv1.CoordinatorMessage) bool) *fedreluv1.CoordinatorMessage {
	a.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-a.heard:
			if want(m) {
				return m
			}
		case <-a.over:
			a.t.Fatalf("the session is over: %v", a.err)
		case <-deadline:
			a.t.Fatalf("the coordinator did not say within %v what was waited for", patience)
		}
	}
}

// takePart waits for a run, on the data in dir, and is ready for it.
func (a *alien) takePart(dir string) {
	a.t.Helper()
	m := a.hear(func(m *fedreluv1.CoordinatorMessage) bool { return m.GetStartRun() != nil }).GetStartRun()
	s, err := spec.FromProto(m.GetSpec())
	if err != nil {
		a.t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), dir, shard.Training)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.job, err = workload.Job(s, data); err != nil {
		a.t.Fatal(err)
	}
	a.plan = workload.Algorithm(s)
	a.say(wire.EncodeFromWorker(wire.RunReady{Run: m.GetRun(), Data: data.Fingerprint()}))
}

// assigned waits for tasks and returns them with the round that they belong to.
func (a *alien) assigned() *fedreluv1.Assign {
	a.t.Helper()
	return a.hear(func(m *fedreluv1.CoordinatorMessage) bool { return m.GetAssign() != nil }).GetAssign()
}

// fetch downloads a model.
func (a *alien) fetch(run string, hash []byte) []float32 {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	chunks, err := a.stub.Fetch(ctx, &fedreluv1.FetchRequest{Session: a.session, Run: run, Sha256: hash})
	if err != nil {
		a.t.Fatal(err)
	}
	block := make([]float32, a.job.Net.Parameters())
	var raw []byte
	assembler := wire.Assembler{Want: 4 * int64(len(block))}
	for !assembler.Done() {
		c, err := chunks.Recv()
		if err != nil {
			a.t.Fatal(err)
		}
		data, err := assembler.Add(c)
		if err != nil {
			a.t.Fatal(err)
		}
		raw = append(raw, data...)
	}
	tensor.Decode(block, raw)
	return block
}

// parcel is a push: what goes over the wire, which a test may spoil.
type parcel struct {
	header  *fedreluv1.PushHeader // nil: none is sent
	payload []byte
	chunk   int                                  // bytes in one, 0 for the usual
	spoil   func(number int, c *fedreluv1.Chunk) // before a chunk is sent; nil: nothing
	only    int                                  // chunks that are sent before the push ends, 0 for all
}

// send pushes a parcel and returns the reply, or the error of the call.
func (a *alien) send(p parcel) (*fedreluv1.PushReply, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := a.stub.Push(ctx)
	if err != nil {
		return nil, err
	}
	if p.header != nil {
		// Here and below: what is wrong with the call is what CloseAndRecv returns.
		_ = out.Send(&fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Header{Header: p.header}})
	}
	number := 0
	chunker := wire.Chunker{Total: int64(len(p.payload)), Size: p.chunk, Send: func(c *fedreluv1.Chunk) error {
		if p.spoil != nil {
			p.spoil(number, c)
		}
		if number++; p.only > 0 && number > p.only {
			return io.EOF
		}
		return out.Send(&fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Chunk{Chunk: c}})
	}}
	if _, err := chunker.Write(p.payload); err == nil {
		_ = chunker.Flush()
	} else if !errors.Is(err, io.EOF) {
		a.t.Fatal(err)
	}
	return out.CloseAndRecv()
}

// bench is where an alien makes the parcels of a round.
type bench struct {
	a       *alien
	run     string
	round   int
	hash    []byte // of start
	start   []float32
	grid    *localsgd.Grid
	trainer *localsgd.Trainer
	shares  []localsgd.Share // of all participants
}

// newBench prepares for the round of an assignment.
func newBench(a *alien, m *fedreluv1.Assign) *bench {
	a.t.Helper()
	b := &bench{a: a, run: m.GetRun(), round: int(m.GetRound()), hash: m.GetStartSha256(), trainer: localsgd.NewTrainer(a.job)}
	b.start = a.fetch(b.run, b.hash)
	b.grid = localsgd.NewGrid(a.job.Net.Layout(), b.start)
	for _, t := range a.plan.Plan(a.job, b.round).Tasks {
		b.shares = append(b.shares, t.Share)
	}
	return b
}

// participants returns the shards of the round.
func (b *bench) participants() []int {
	var shards []int
	for _, s := range b.shares {
		shards = append(shards, s.Shard)
	}
	return shards
}

// outside returns a shard of the run that is not in the round.
func (b *bench) outside() int {
	for k := range b.a.job.Shards {
		if !slices.Contains(b.participants(), k) {
			return k
		}
	}
	b.a.t.Fatal("every shard takes part")
	return 0
}

// parcel trains shards of the round and makes the push that our own worker would make: of one an update, of more a sum.
func (b *bench) parcel(shards ...int) parcel {
	b.a.t.Helper()
	sum := localsgd.Sum{}
	sum.Reset(b.grid)
	p := &wire.Push{
		Key: wire.Key{Run: b.run, Round: b.round}, Session: b.a.session, Start: tensor.Hash(b.hash),
		Layout: b.grid.Layout().Fingerprint(), Sum: len(shards) > 1, Bytes: b.grid.UpdateBytes(),
	}
	for _, k := range shards {
		end := make([]float32, len(b.start))
		facts, err := b.trainer.Train(context.Background(), localsgd.Task{Round: b.round, Shard: k}, b.grid, localsgd.Blocks{Start: b.start, End: end})
		if err != nil {
			b.a.t.Fatal(err)
		}
		share := b.shares[slices.Index(b.participants(), k)]
		if err := sum.Add(share, end); err != nil {
			b.a.t.Fatal(err)
		}
		p.Tasks = append(p.Tasks, wire.PushedTask{Share: share, Facts: facts})
	}
	var payload bytes.Buffer
	if p.Sum {
		p.Quanta, p.Bytes = b.grid.Quanta(), b.grid.SumBytes()
		if _, err := sum.WriteTo(&payload); err != nil {
			b.a.t.Fatal(err)
		}
	} else {
		for part := range tensor.Chunks(sum.Single(), 1<<16) {
			payload.Write(part)
		}
	}
	out := parcel{header: wire.EncodePush(p), payload: payload.Bytes()}
	out.seal()
	return out
}

// seal makes the header's checksum that of the payload.
func (p *parcel) seal() {
	hash := sha256.Sum256(p.payload)
	p.header.PayloadSha256 = hash[:]
}
