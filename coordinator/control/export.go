package control

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Header says what model an export consists of.
type Header struct {
	Run     string // id
	Round   int
	Model   tensor.Hash   // of the block that follows
	Tensors []tensor.Desc // the block's layout
}

// Export passes the header of a run's model to `to`, and then writes the block, little-endian float32 in the order of the
// header's tensors, to the writer that it returned. round nil is the last one that is stored. When it returns nil the
// bytes had the header's hash; when not, whatever was written must not be used.
func (c *Client) Export(ctx context.Context, run string, round *int, to func(Header) (io.Writer, error)) error {
	const doing = "fetching the model"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request := &fedreluv1.ExportRequest{Run: run}
	if round != nil {
		n := uint32(*round)
		request.Round = &n
	}
	stream, err := c.rpc.Export(ctx, request)
	if err != nil {
		return c.wrap(doing, err)
	}
	first, err := stream.Recv()
	if err != nil {
		return c.wrap(doing, err)
	}
	header, size, err := headerFromProto(first.GetHeader())
	if err != nil {
		return c.wrap(doing, err)
	}
	w, err := to(header)
	if err != nil {
		return err
	}
	hash := sha256.New()
	block := wire.Assembler{Want: size}
	err = block.Copy(io.MultiWriter(w, hash), func() (*fedreluv1.Chunk, error) {
		m, err := stream.Recv()
		return m.GetChunk(), err
	})
	if err == nil && tensor.Hash(hash.Sum(nil)) != header.Model {
		err = fmt.Errorf("%w: the model does not have the hash %v", ErrInvalid, header.Model)
	}
	return c.wrap(doing, err)
}

// headerFromProto checks a header; size is the number of bytes that follow.
func headerFromProto(m *fedreluv1.ExportHeader) (h Header, size int64, err error) {
	h = Header{Run: m.GetRun(), Round: int(m.GetRound())}
	if h.Model, err = tensor.HashFromBytes(m.GetModelSha256()); err != nil {
		return h, 0, fmt.Errorf("%w: header.model_sha256: %w", ErrInvalid, err)
	}
	if h.Tensors, err = wire.DecodeTensors(m.GetTensors()); err != nil {
		return h, 0, fmt.Errorf("%w: header: %w", ErrInvalid, err)
	}
	return h, wire.Start{Tensors: h.Tensors}.Bytes(), nil
}
