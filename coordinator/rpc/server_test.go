package rpc

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Callers act on codes: a worker gives up for good on some, and joins again on others.
func TestErrorsHaveTheirCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{fmt.Errorf("%w: protocol 9", coordinator.ErrVersion), codes.FailedPrecondition},
		{coordinator.ErrToken, codes.Unauthenticated},
		{coordinator.ErrNameInUse, codes.AlreadyExists},
		{coordinator.ErrHello, codes.InvalidArgument},
		{coordinator.ErrFenced, codes.Aborted},
		{coordinator.ErrLost, codes.Aborted},
		{coordinator.ErrClosed, codes.Unavailable},
		{fmt.Errorf("x: %w", wire.ErrMessage), codes.InvalidArgument},
		{fmt.Errorf("x: %w", store.ErrNoRun), codes.NotFound},
		{fmt.Errorf("x: %w", context.Canceled), codes.Canceled},
		{status.Error(codes.DataLoss, "x"), codes.DataLoss},
		{errors.New("anything else"), codes.Internal},
	} {
		got := statusOf(c.err)
		if status.Code(got) != c.want {
			t.Errorf("%v has code %v, want %v", c.err, status.Code(got), c.want)
		}
		if c.err != nil && status.Code(got) != codes.DataLoss && status.Convert(got).Message() != c.err.Error() {
			t.Errorf("%v reads %q", c.err, status.Convert(got).Message())
		}
	}
}
