package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Everything that knows of generated types is in this file.

// service is the coordinator's end of a connection.
type service struct {
	stub fedreluv1.WorkerServiceClient
}

func newService(conn *grpc.ClientConn) service {
	return service{fedreluv1.NewWorkerServiceClient(conn)}
}

// stream is the session's stream. One goroutine may send while another receives.
type stream struct {
	grpc.BidiStreamingClient[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]
}

// session opens the stream; it ends with ctx.
func (s service) session(ctx context.Context) (stream, error) {
	raw, err := s.stub.Session(ctx)
	return stream{raw}, err
}

func (s stream) send(m wire.FromWorker) error { return s.Send(wire.EncodeFromWorker(m)) }

func (s stream) receive() (wire.ToWorker, error) {
	raw, err := s.Recv()
	if err != nil {
		return nil, err
	}
	return wire.DecodeToWorker(raw)
}

// fetch streams a model of so many bytes into w.
func (s service) fetch(ctx context.Context, f wire.Fetch, bytes int64, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream where an error leaves it open
	defer cancel()
	chunks, err := s.stub.Fetch(ctx, wire.EncodeFetch(f))
	if err != nil {
		return err
	}
	assembler := wire.Assembler{Want: bytes}
	return assembler.Copy(w, chunks.Recv)
}

// push streams a result after its header. A context that ends before the reply leaves nothing counted, or everything.
func (s service) push(ctx context.Context, header *wire.Push, payload func(io.Writer) error) (wire.PushReply, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := s.stub.Push(ctx)
	if err != nil {
		return wire.PushReply{}, err
	}
	// io.EOF from sending says that the answer is there already, good or bad.
	if err := sendPush(out, header, payload); err != nil && !errors.Is(err, io.EOF) {
		return wire.PushReply{}, err
	}
	reply, err := out.CloseAndRecv()
	if err != nil {
		return wire.PushReply{}, err
	}
	return wire.DecodeReply(reply)
}

func sendPush(out grpc.ClientStreamingClient[fedreluv1.PushMessage, fedreluv1.PushReply], header *wire.Push, payload func(io.Writer) error) error {
	first := &fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Header{Header: wire.EncodePush(header)}}
	if err := out.Send(first); err != nil {
		return err
	}
	chunker := wire.Chunker{Total: header.Bytes, Send: func(c *fedreluv1.Chunk) error {
		return out.Send(&fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Chunk{Chunk: c}})
	}}
	if err := payload(&chunker); err != nil {
		return err
	}
	return chunker.Flush()
}

// Permanent refusals of Run: joining again would end in the same way.
var (
	// ErrVersion: the coordinator has another protocol or numerics version.
	ErrVersion = errors.New("the coordinator has another version")
	// ErrToken: the coordinator wants another token.
	ErrToken = errors.New("the coordinator wants another token")
	// ErrNameInUse: another live worker has this name.
	ErrNameInUse = errors.New("a live worker has this name")
	// ErrRefused: the coordinator takes the worker's introduction for malformed.
	ErrRefused = errors.New("the coordinator refuses this worker")
)

// refusal returns what a coordinator's answer to Hello means for good, or nil if joining again may help. A name in use is
// final only for a worker that never had it: later it is its own old session, which the coordinator still has to miss.
func refusal(err error, joined bool) error {
	var why error
	switch status.Code(err) {
	case codes.FailedPrecondition:
		why = ErrVersion
	case codes.Unauthenticated:
		why = ErrToken
	case codes.InvalidArgument:
		why = ErrRefused
	case codes.AlreadyExists:
		if joined {
			return nil
		}
		why = ErrNameInUse
	default:
		return nil
	}
	return fmt.Errorf("joining: %w: %s", why, status.Convert(err).Message())
}

// transient tells whether a call that failed so may succeed when it is made again.
func transient(err error) bool {
	if errors.Is(err, wire.ErrMessage) {
		return false
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
		codes.OutOfRange, codes.Unimplemented, codes.DataLoss, codes.Unauthenticated:
		return false
	}
	return true
}
