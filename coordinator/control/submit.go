package control

import (
	"context"
	"io"

	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Submit queues the run of a spec (as spec.Spec.Proto makes it) and returns its id once that is durable.
func (c *Client) Submit(ctx context.Context, spec []byte) (string, error) {
	r, err := c.rpc.Submit(ctx, &fedreluv1.SubmitRequest{Spec: spec})
	if err != nil {
		return "", c.wrap("submitting the run", err)
	}
	return r.GetRun(), nil
}

// SubmitFrom is Submit with the model that the spec's file holds, whose values body writes in chunks.
func (c *Client) SubmitFrom(ctx context.Context, spec []byte, start wire.Start, body func(io.Writer) error) (string, error) {
	const doing = "submitting the run"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.SubmitFrom(ctx)
	if err != nil {
		return "", c.wrap(doing, err)
	}
	header := &fedreluv1.SubmitMessage{Message: &fedreluv1.SubmitMessage_Header{Header: wire.EncodeStart(spec, start)}}
	chunker := &wire.Chunker{Total: start.Bytes(), Send: func(chunk *fedreluv1.Chunk) error {
		return stream.Send(&fedreluv1.SubmitMessage{Message: &fedreluv1.SubmitMessage_Chunk{Chunk: chunk}})
	}}
	if err = stream.Send(header); err == nil {
		if err = body(chunker); err == nil {
			err = chunker.Flush()
		}
	}
	if err != nil && err != io.EOF {
		return "", c.wrap(doing, err)
	}
	// io.EOF says that the coordinator has answered already: why not.
	r, err := stream.CloseAndRecv()
	if err != nil {
		return "", c.wrap(doing, err)
	}
	return r.GetRun(), nil
}
