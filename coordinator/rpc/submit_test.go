package rpc

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// serve starts a coordinator and returns a client of it.
func serve(t *testing.T) (*coordinator.Coordinator, fedreluv1.ControlServiceClient) {
	t.Helper()
	c, err := coordinator.Open(coordinator.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, server := bufconn.Listen(1<<20), NewServer(c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(listener) }()
	go func() { ended <- c.Run(ctx) }()
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return c, fedreluv1.NewControlServiceClient(conn)
}

// Whatever is wrong with a submitted model is said in words, with a code, and leaves no run.
func TestBadSubmissionsLeaveNoRun(t *testing.T) {
	c, client := serve(t)
	model := []float32{1, 2, 3, 4, 5}
	start := wire.Start{Model: tensor.HashBlock(model), Tensors: []tensor.Desc{{Name: "0.weight", Shape: []int{5}}}}
	parse := func(init string) []byte {
		s, err := spec.Parse("spec", []byte("data: {mnist: {}}\nmodel: {mlp: {}, init: {"+init+"}}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Proto()
	}
	fromFile := parse("file: {safetensors: x}")
	for name, s := range map[string]struct {
		header *fedreluv1.SubmitHeader
		spoil  func(*fedreluv1.Chunk)
		want   string
	}{
		"no header":  {nil, nil, "data"},
		"no spec":    {wire.EncodeStart(nil, start), nil, "data"},
		"no file":    {wire.EncodeStart(parse("zero: {}"), start), nil, "names no file"},
		"no tensors": {wire.EncodeStart(fromFile, wire.Start{Model: start.Model}), nil, "tensors"},
		"CRC":        {wire.EncodeStart(fromFile, start), func(c *fedreluv1.Chunk) { c.Crc32C++ }, "crc32c"},
		"size":       {wire.EncodeStart(fromFile, start), func(c *fedreluv1.Chunk) { c.Total++ }, "chunk.total"},
		"other hash": {wire.EncodeStart(fromFile, wire.Start{Model: tensor.Hash{1}, Tensors: start.Tensors}), nil, "SHA-256"},
	} {
		stream, err := client.SubmitFrom(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&fedreluv1.SubmitMessage{Message: &fedreluv1.SubmitMessage_Header{Header: s.header}}); err != nil {
			t.Fatal(err)
		}
		chunker := wire.Chunker{Total: 20, Send: func(c *fedreluv1.Chunk) error {
			if s.spoil != nil {
				s.spoil(c)
			}
			return stream.Send(&fedreluv1.SubmitMessage{Message: &fedreluv1.SubmitMessage_Chunk{Chunk: c}})
		}}
		for part := range tensor.Chunks(model, 1<<10) {
			_, _ = chunker.Write(part) // the coordinator may have answered already
		}
		_ = chunker.Flush()
		_, err = stream.CloseAndRecv()
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), s.want) {
			t.Errorf("%s: %v, want InvalidArgument that names %q", name, err, s.want)
		}
	}
	if runs, err := c.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("there are runs: %v (%v)", runs, err)
	}
}
