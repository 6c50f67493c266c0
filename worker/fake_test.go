package worker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

// patience is how long a test waits for what must happen. It is never waited for when the code is right.
const patience = 20 * time.Second

// coordinator is a scripted WorkerService: the test admits sessions, says what the coordinator says, and answers pushes.
type coordinator struct {
	fedreluv1.UnimplementedWorkerServiceServer
	t        *testing.T
	listener *bufconn.Listener
	joining  chan *session
	pushes   chan *push
	fetches  chan *fetch // nil: served from models at once
	chunk    int         // bytes of a model in one chunk

	mu      sync.Mutex
	models  map[tensor.Hash][]float32
	fetched map[tensor.Hash]int
}

// session is a Session stream whose Hello has arrived.
type session struct {
	c       *coordinator
	stream  grpc.BidiStreamingServer[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]
	hello   wire.Hello
	heard   chan wire.FromWorker // everything but heartbeats
	beats   chan struct{}        // one waiting at most
	left    chan struct{}        // closed when the worker has said goodbye
	verdict chan error           // ends the stream
}

// push is a push that has arrived whole, or was broken off.
type push struct {
	*wire.Push
	payload []byte
	err     error // why it is not whole
	answer  chan func() (*fedreluv1.PushReply, error)
}

// fetch is a Fetch that the test answers by closing it.
type fetch struct {
	model tensor.Hash
	serve chan error
}

func newCoordinator(t *testing.T) *coordinator {
	c := &coordinator{
		t: t, listener: bufconn.Listen(1 << 20),
		joining: make(chan *session), pushes: make(chan *push),
		chunk:  1001, // odd: a reader takes any size
		models: map[tensor.Hash][]float32{}, fetched: map[tensor.Hash]int{},
	}
	server := grpc.NewServer()
	fedreluv1.RegisterWorkerServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(c.listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serving: %v", err)
		}
	})
	return c
}

func (c *coordinator) dial(ctx context.Context) (*grpc.ClientConn, error) {
	return worker.DialAddress("passthrough:///coordinator", grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return c.listener.DialContext(ctx) }))(ctx)
}

// serve makes a model known and returns its hash.
func (c *coordinator) serve(block []float32) tensor.Hash {
	c.mu.Lock()
	defer c.mu.Unlock()
	hash := tensor.HashBlock(block)
	c.models[hash] = append([]float32(nil), block...)
	return hash
}

// forget makes models unknown.
func (c *coordinator) forget(hashes ...tensor.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hashes {
		delete(c.models, h)
	}
}

func (c *coordinator) fetchCount(model tensor.Hash) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched[model]
}

func (c *coordinator) Session(stream grpc.BidiStreamingServer[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	m, err := wire.DecodeFromWorker(first)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s := &session{
		c: c, stream: stream, hello: m.(wire.Hello), heard: make(chan wire.FromWorker),
		beats: make(chan struct{}, 1), left: make(chan struct{}), verdict: make(chan error, 1),
	}
	select {
	case c.joining <- s:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	go s.listen()
	select {
	case err := <-s.verdict:
		return err
	case <-s.left:
		return nil
	}
}

// listen reads the stream until it ends.
func (s *session) listen() {
	defer close(s.left)
	for {
		raw, err := s.stream.Recv()
		if err != nil {
			return
		}
		m, err := wire.DecodeFromWorker(raw)
		if err != nil {
			s.c.t.Errorf("the worker sent %v", err)
			return
		}
		if _, beat := m.(wire.Heartbeat); beat {
			select {
			case s.beats <- struct{}{}:
			default:
			}
			continue
		}
		select {
		case s.heard <- m:
		case <-s.stream.Context().Done():
			return
		}
	}
}

func (c *coordinator) Fetch(r *fedreluv1.FetchRequest, stream grpc.ServerStreamingServer[fedreluv1.Chunk]) error {
	f, err := wire.DecodeFetch(r)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	c.mu.Lock()
	c.fetched[f.Model]++
	block, known := c.models[f.Model]
	c.mu.Unlock()
	if c.fetches != nil {
		asked := &fetch{f.Model, make(chan error)}
		c.fetches <- asked
		if err := <-asked.serve; err != nil {
			return err
		}
	}
	if !known {
		return status.Errorf(codes.NotFound, "no model %s", f.Model)
	}
	chunker := wire.Chunker{Total: 4 * int64(len(block)), Size: c.chunk, Send: stream.Send}
	for part := range tensor.Chunks(block, 1<<20) {
		if _, err := chunker.Write(part); err != nil {
			return err
		}
	}
	return chunker.Flush()
}

func (c *coordinator) Push(stream grpc.ClientStreamingServer[fedreluv1.PushMessage, fedreluv1.PushReply]) error {
	p := &push{answer: make(chan func() (*fedreluv1.PushReply, error), 1)}
	p.err = p.receive(stream)
	select {
	case c.pushes <- p:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	select {
	case answer := <-p.answer:
		reply, err := answer()
		if err != nil {
			return err
		}
		return stream.SendAndClose(reply)
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

func (p *push) receive(stream grpc.ClientStreamingServer[fedreluv1.PushMessage, fedreluv1.PushReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if p.Push, err = wire.DecodePush(first.GetHeader()); err != nil {
		return err
	}
	var payload bytes.Buffer
	assembler := wire.Assembler{Want: p.Bytes}
	err = assembler.Copy(&payload, func() (*fedreluv1.Chunk, error) {
		m, err := stream.Recv()
		return m.GetChunk(), err
	})
	p.payload = payload.Bytes()
	if err == nil && tensor.Hash(sha256.Sum256(p.payload)) != p.SHA256 {
		err = errors.New("the payload has another checksum than its header says")
	}
	return err
}

// reply answers a push.
func (p *push) reply(v wire.Verdict, reason string) {
	p.answer <- func() (*fedreluv1.PushReply, error) {
		return wire.EncodeReply(wire.PushReply{Verdict: v, Reason: reason}), nil
	}
}

// fail answers a push with a status.
func (p *push) fail(code codes.Code) {
	p.answer <- func() (*fedreluv1.PushReply, error) { return nil, status.Error(code, "scripted") }
}

// receive returns the next value of a channel.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("unreachable")
	}
}

// join waits for a Hello.
func (c *coordinator) join() *session {
	c.t.Helper()
	return receive(c.t, "session", c.joining)
}

// admit waits for a Hello and answers it with Welcome.
func (c *coordinator) admit(number uint64) *session {
	c.t.Helper()
	s := c.join()
	s.say(wire.Welcome{Session: number, Heartbeat: time.Millisecond, Lost: time.Second})
	return s
}

// push waits for a whole push of exactly these shards.
func (c *coordinator) push(shards ...int) *push {
	c.t.Helper()
	p := receive(c.t, "push", c.pushes)
	if p.err != nil {
		c.t.Fatalf("push: %v", p.err)
	}
	if !reflect.DeepEqual(p.Shards(), shards) {
		c.t.Fatalf("push of shards %v, want %v", p.Shards(), shards)
	}
	return p
}

func (s *session) say(m wire.ToWorker) {
	s.c.t.Helper()
	if err := s.stream.Send(wire.EncodeToWorker(m)); err != nil && !errors.Is(err, io.EOF) {
		s.c.t.Fatalf("sending %T: %v", m, err)
	}
}

// end breaks the stream.
func (s *session) end(err error) { s.verdict <- err }

// hear waits for the next message, which must be of type M.
func hear[M wire.FromWorker](s *session) M {
	s.c.t.Helper()
	m := receive(s.c.t, reflect.TypeFor[M]().String(), s.heard)
	typed, ok := m.(M)
	if !ok {
		s.c.t.Fatalf("heard %#v, want %T", m, typed)
	}
	return typed
}

// hearTrained waits until just these shards were reported, in any number of messages.
func (s *session) hearTrained(shards ...int) {
	s.c.t.Helper()
	missing := map[int]bool{}
	for _, k := range shards {
		missing[k] = true
	}
	for len(missing) > 0 {
		for _, k := range hear[wire.Trained](s).Shards {
			if !missing[k] {
				s.c.t.Fatalf("shard %d is reported trained; waiting for %v", k, missing)
			}
			delete(missing, k)
		}
	}
}

// ignore hears messages and forgets them until the returned function is called.
func (s *session) ignore() (enough func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-s.heard:
			case <-stop:
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}
