package rpc

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/fedrelu/fedrelu/coordinator"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

type workerService struct {
	fedreluv1.UnimplementedWorkerServiceServer
	c *coordinator.Coordinator
}

// Session admits a worker and carries its messages until the worker leaves, is lost or is fenced off.
func (w *workerService) Session(stream grpc.BidiStreamingServer[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]) error {
	hello, err := receiveHello(stream)
	if err != nil {
		return statusOf(err)
	}
	s, err := w.c.Join(hello)
	if err != nil {
		return statusOf(err)
	}
	// The reader ends when this call returns, which ends the stream.
	go w.read(stream, s)
	for {
		select {
		case <-s.Done():
			return statusOf(s.Err())
		case m := <-s.Messages():
			if err := stream.Send(wire.EncodeToWorker(m)); err != nil {
				w.c.Leave(s, fmt.Errorf("sending: %w", err))
				return err
			}
		}
	}
}

func receiveHello(stream grpc.BidiStreamingServer[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage]) (wire.Hello, error) {
	first, err := stream.Recv()
	if err != nil {
		return wire.Hello{}, err
	}
	m, err := wire.DecodeFromWorker(first)
	if err != nil {
		return wire.Hello{}, err
	}
	hello, ok := m.(wire.Hello)
	if !ok {
		return wire.Hello{}, fmt.Errorf("%w: a session begins with hello, not %T", wire.ErrMessage, m)
	}
	return hello, nil
}

func (w *workerService) read(stream grpc.BidiStreamingServer[fedreluv1.WorkerMessage, fedreluv1.CoordinatorMessage], s *coordinator.Session) {
	for {
		raw, err := stream.Recv()
		if err != nil {
			w.c.Leave(s, fmt.Errorf("the connection ended: %w", err))
			return
		}
		m, err := wire.DecodeFromWorker(raw)
		if err != nil {
			w.c.Leave(s, err)
			return
		}
		w.c.Deliver(s, m)
	}
}

// Fetch streams a model.
func (w *workerService) Fetch(req *fedreluv1.FetchRequest, stream grpc.ServerStreamingServer[fedreluv1.Chunk]) error {
	f, err := wire.DecodeFetch(req)
	if err != nil {
		return statusOf(err)
	}
	chunker := &wire.Chunker{Send: stream.Send}
	err = w.c.Fetch(stream.Context(), f, func(size int64) io.Writer {
		chunker.Total = size
		return chunker
	})
	if err == nil {
		err = chunker.Flush()
	}
	return statusOf(err)
}

// Push takes one push.
func (w *workerService) Push(stream grpc.ClientStreamingServer[fedreluv1.PushMessage, fedreluv1.PushReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	p, err := wire.DecodePush(first.GetHeader())
	if err != nil {
		return statusOf(err)
	}
	reply, err := w.c.Push(stream.Context(), p, func(to io.Writer) error {
		a := wire.Assembler{Want: p.Bytes}
		return a.Copy(to, func() (*fedreluv1.Chunk, error) {
			m, err := stream.Recv()
			if err != nil {
				return nil, err
			}
			return m.GetChunk(), nil
		})
	})
	if err != nil {
		if ctxErr := context.Cause(stream.Context()); ctxErr != nil {
			err = ctxErr
		}
		return statusOf(err)
	}
	return stream.SendAndClose(wire.EncodeReply(reply))
}
