package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Why a coordinator did not do what it was asked for.
var (
	// ErrUnavailable: nobody answers at the address, or not in time.
	ErrUnavailable = errors.New("no coordinator answers")
	// ErrAddress: what was given is no address.
	ErrAddress = errors.New("not an address")
	// ErrNotFound: there is no such run, round or model.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: what was sent breaks a rule; the message says which.
	ErrInvalid = errors.New("refused as invalid")
	// ErrState: the run's status does not allow it.
	ErrState = errors.New("not possible in this state")
)

// Error is what went wrong with one call.
type Error struct {
	Address string // of the coordinator
	Doing   string // as in "submitting the run"
	Message string // what the coordinator said, or why it could not be asked
	kind    error
}

// Error says what was asked of whom, and the answer.
func (e *Error) Error() string {
	if errors.Is(e.kind, ErrUnavailable) {
		return fmt.Sprintf("%s: no coordinator answers at %s: %s", e.Doing, e.Address, e.Message)
	}
	return fmt.Sprintf("%s: %s", e.Doing, e.Message)
}

// Unwrap returns one of the package's errors, the context's error, or nil.
func (e *Error) Unwrap() error { return e.kind }

// wrap turns the status of a call into an *Error.
func (c *Client) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return &Error{c.address, doing, err.Error(), err}
	}
	return &Error{c.address, doing, cause(s.Message()), kindOf(s.Code())}
}

// cause takes the wrapping off what gRPC says about a connection that could not be made.
func cause(message string) string {
	const dialing = "Error while dialing: "
	if i := strings.LastIndex(message, dialing); i >= 0 {
		return strings.TrimSuffix(message[i+len(dialing):], `"`)
	}
	return message
}

var kinds = map[codes.Code]error{
	codes.Unavailable:        ErrUnavailable,
	codes.DeadlineExceeded:   ErrUnavailable,
	codes.Canceled:           context.Canceled,
	codes.Unimplemented:      ErrUnavailable,
	codes.NotFound:           ErrNotFound,
	codes.InvalidArgument:    ErrInvalid,
	codes.OutOfRange:         ErrInvalid,
	codes.FailedPrecondition: ErrState,
	codes.Aborted:            ErrState,
}

func kindOf(code codes.Code) error { return kinds[code] }
