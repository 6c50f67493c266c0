package control

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/fedrelu/fedrelu/coordinator/record"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// maxReply bounds one reply: a list of many runs with large specs.
const maxReply = 64 << 20

// keepalivePeriod is how often a silent stream is probed, so that a coordinator whose machine is gone is noticed.
const keepalivePeriod = 20 * time.Second

// Client is a connection to one coordinator. Its methods may be called by any number of goroutines.
type Client struct {
	address string
	conn    *grpc.ClientConn
	rpc     fedreluv1.ControlServiceClient
}

// Dial prepares a connection to the coordinator at host:port; it is made by the first call. opts come after the
// package's own.
func Dial(address string, opts ...grpc.DialOption) (*Client, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return nil, &Error{address, "reaching the coordinator", fmt.Sprintf("address %q, want host:port", address), ErrAddress}
	}
	if host == "" {
		address = net.JoinHostPort("localhost", port)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepalivePeriod, Timeout: keepalivePeriod / 2}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)),
	}, opts...)...)
	if err != nil {
		return nil, &Error{address, "reaching the coordinator", err.Error(), ErrAddress}
	}
	return &Client{address, conn, fedreluv1.NewControlServiceClient(conn)}, nil
}

// Close ends the connection and every call on it.
func (c *Client) Close() error { return c.conn.Close() }

// Health is what a coordinator says about itself.
type Health struct {
	Status   string // what it does, in words
	Build    string
	Protocol uint32
	Numerics uint32
	Workers  int    // that are there
	Run      string // id of the active run; empty: none
}

// Health asks the coordinator how it is.
func (c *Client) Health(ctx context.Context) (Health, error) {
	r, err := c.rpc.Health(ctx, &fedreluv1.HealthRequest{})
	if err != nil {
		return Health{}, c.wrap("asking for health", err)
	}
	return Health{
		Status: r.GetStatus(), Build: r.GetBuild(), Protocol: r.GetProtocol(), Numerics: r.GetNumerics(),
		Workers: int(r.GetWorkers()), Run: r.GetRun(),
	}, nil
}

// Runs returns all runs, in the order of their submission.
func (c *Client) Runs(ctx context.Context) ([]record.Run, error) {
	const doing = "listing the runs"
	r, err := c.rpc.ListRuns(ctx, &fedreluv1.ListRunsRequest{})
	if err != nil {
		return nil, c.wrap(doing, err)
	}
	runs := make([]record.Run, len(r.GetRuns()))
	for i, m := range r.GetRuns() {
		if runs[i], err = record.RunFromProto(m); err != nil {
			return nil, c.wrap(doing, err)
		}
	}
	return runs, nil
}

// Cancel ends a run for good. run, here and below, is an id, a unique prefix of one, or a unique name.
func (c *Client) Cancel(ctx context.Context, run string) error {
	_, err := c.rpc.Cancel(ctx, &fedreluv1.CancelRequest{Run: run})
	return c.wrap("cancelling the run", err)
}

// Resume queues a stopped run again and returns its id.
func (c *Client) Resume(ctx context.Context, run string) (string, error) {
	r, err := c.rpc.Resume(ctx, &fedreluv1.ResumeRequest{Run: run})
	return r.GetRun(), c.wrap("resuming the run", err)
}

// Remove deletes a run that is not running, with its models.
func (c *Client) Remove(ctx context.Context, run string) error {
	_, err := c.rpc.Remove(ctx, &fedreluv1.RemoveRequest{Run: run})
	return c.wrap("removing the run", err)
}
