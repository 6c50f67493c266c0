package wire

import (
	"fmt"
	"hash/crc32"
	"io"

	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// ChunkBytes is how much of a payload goes into one message, a multiple of 16. Nothing larger than a chunk and its few
// bytes of framing is on the wire; a reader takes any size up to MaxChunkBytes.
const (
	ChunkBytes    = 1 << 20
	MaxChunkBytes = 2 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Chunker cuts a payload of Total bytes into chunks: an io.Writer that passes each full chunk to Send, and needs a Flush
// at the end. The data of a chunk are valid only during Send.
type Chunker struct {
	Total int64
	Size  int // of a chunk; ChunkBytes if 0
	Send  func(*fedreluv1.Chunk) error

	offset int64
	buf    []byte
}

// Write takes the next bytes of the payload. Bytes that fill a chunk by themselves are passed on without a copy.
func (c *Chunker) Write(p []byte) (int, error) {
	if c.Size == 0 {
		c.Size = ChunkBytes
	}
	for rest := p; len(rest) > 0; {
		if len(c.buf) == 0 && len(rest) >= c.Size {
			if err := c.send(rest[:c.Size]); err != nil {
				return len(p) - len(rest), err
			}
			rest = rest[c.Size:]
			continue
		}
		n := min(c.Size-len(c.buf), len(rest))
		c.buf, rest = append(c.buf, rest[:n]...), rest[n:]
		if len(c.buf) == c.Size {
			if err := c.Flush(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
	return len(p), nil
}

// Flush sends what is left.
func (c *Chunker) Flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	part := c.buf
	c.buf = c.buf[:0]
	return c.send(part)
}

func (c *Chunker) send(part []byte) error {
	chunk := &fedreluv1.Chunk{Offset: uint64(c.offset), Data: part, Crc32C: crc32.Checksum(part, castagnoli)}
	if c.offset == 0 {
		chunk.Total = uint64(c.Total)
	}
	c.offset += int64(len(part))
	return c.Send(chunk)
}

// Assembler checks that chunks arrive whole and in order. The zero value waits for a payload of any size; with Want > 0
// the payload must have that many bytes.
type Assembler struct {
	Want   int64
	offset int64
	total  int64
}

// Add checks the next chunk and returns its data, aliasing it.
func (a *Assembler) Add(c *fedreluv1.Chunk) ([]byte, error) {
	data := c.GetData()
	if a.offset == 0 {
		if a.total = int64(c.GetTotal()); a.total <= 0 || a.Want > 0 && a.total != a.Want {
			return nil, malformed("chunk.total", "%d bytes, want %d", a.total, a.Want)
		}
	}
	switch {
	case int64(c.GetOffset()) != a.offset:
		return nil, malformed("chunk.offset", "%d, want %d", c.GetOffset(), a.offset)
	case len(data) == 0 || len(data) > MaxChunkBytes:
		return nil, malformed("chunk.data", "%d bytes, want 1 to %d", len(data), MaxChunkBytes)
	case int64(len(data)) > a.total-a.offset:
		return nil, malformed("chunk.data", "%d bytes at offset %d of %d", len(data), a.offset, a.total)
	case crc32.Checksum(data, castagnoli) != c.GetCrc32C():
		return nil, malformed("chunk.crc32c", "the data at offset %d are damaged", a.offset)
	}
	a.offset += int64(len(data))
	return data, nil
}

// Done tells whether the whole payload has been there.
func (a *Assembler) Done() bool { return a.total > 0 && a.offset == a.total }

// Copy receives a whole payload into w.
func (a *Assembler) Copy(w io.Writer, receive func() (*fedreluv1.Chunk, error)) error {
	for !a.Done() {
		c, err := receive()
		if err == io.EOF {
			err = fmt.Errorf("%w: %w after %d of %d bytes", ErrMessage, io.ErrUnexpectedEOF, a.offset, a.total)
		}
		if err != nil {
			return fmt.Errorf("receiving a chunk: %w", err)
		}
		data, err := a.Add(c)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return fmt.Errorf("keeping a chunk: %w", err)
		}
	}
	return nil
}
