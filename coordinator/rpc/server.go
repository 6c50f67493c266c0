// Package rpc serves a coordinator over gRPC: workers and operators on one port.
//
// Rules: nothing is decided here. Messages are decoded and checked by proto/wire, handed to the coordinator, and its
// answers and errors turned into replies and status codes. Every goroutine lives no longer than the call it serves.
package rpc

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/internal/workload"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Keepalive: a connection whose other end does not answer is closed after keepaliveTime + keepaliveTimeout, and workers
// may ping as often as every minPing.
const (
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	minPing          = 5 * time.Second
)

// maxMessage bounds a message that comes in: one chunk with its framing, or a spec.
const maxMessage = wire.MaxChunkBytes + 64<<10

// NewServer returns a gRPC server of the coordinator's two services.
func NewServer(c *coordinator.Coordinator, opts ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.StatsHandler(&meter{c: c}),
	}, opts...)...)
	fedreluv1.RegisterWorkerServiceServer(s, &workerService{c: c})
	fedreluv1.RegisterControlServiceServer(s, &controlService{c: c})
	return s
}

// statusOf gives an error of the coordinator the code that its caller acts on.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	for _, known := range []struct {
		is   error
		code codes.Code
	}{
		{coordinator.ErrVersion, codes.FailedPrecondition},
		{coordinator.ErrToken, codes.Unauthenticated},
		{coordinator.ErrNameInUse, codes.AlreadyExists},
		{coordinator.ErrHello, codes.InvalidArgument},
		{coordinator.ErrStatus, codes.FailedPrecondition},
		{coordinator.ErrClosed, codes.Unavailable},
		{coordinator.ErrLost, codes.Aborted},
		{coordinator.ErrFenced, codes.Aborted},
		{coordinator.ErrSlow, codes.Aborted},
		{wire.ErrMessage, codes.InvalidArgument},
		{spec.ErrInvalid, codes.InvalidArgument},
		{workload.ErrStart, codes.InvalidArgument},
		{store.ErrOtherModel, codes.InvalidArgument},
		{store.ErrNoRun, codes.NotFound},
		{store.ErrNoModel, codes.NotFound},
		{store.ErrAmbiguous, codes.InvalidArgument},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		if errors.Is(err, known.is) {
			return status.Error(known.code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}

// meter counts the bytes of the workers' calls, payload and framing.
type meter struct{ c *coordinator.Coordinator }

type workerCall struct{}

// TagRPC marks the calls of workers.
func (m *meter) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasPrefix(info.FullMethodName, "/"+fedreluv1.WorkerService_ServiceDesc.ServiceName+"/") {
		return context.WithValue(ctx, workerCall{}, true)
	}
	return ctx
}

// HandleRPC counts.
func (m *meter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(workerCall{}) == nil {
		return
	}
	switch s := s.(type) {
	case *stats.InHeader:
		m.c.Count(int64(s.WireLength), 0)
	case *stats.InPayload:
		m.c.Count(int64(s.WireLength), 0)
	case *stats.OutPayload:
		m.c.Count(0, int64(s.WireLength))
	}
}

// TagConn does nothing.
func (m *meter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (m *meter) HandleConn(context.Context, stats.ConnStats) {}
