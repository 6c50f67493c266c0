//go:build linux

package process

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes connections on to an address and measures the gRPC messages in them.
type proxy struct {
	address  string
	messages atomic.Int64
	largest  atomic.Int64 // bytes of a message
	failed   atomic.Pointer[error]
}

// newProxy returns a proxy that lives as long as the test.
func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: listener.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() { p.carry(from, to) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // only listened on
		all.Wait()           // the processes at both ends are gone by now
		if err := p.failed.Load(); err != nil {
			t.Errorf("reading what went over the wire: %v", *err)
		}
	})
	return p
}

// carry passes both directions of a connection on until one ends.
func (p *proxy) carry(from net.Conn, to string) {
	defer from.Close()
	onward, err := net.Dial("tcp", to)
	if err != nil {
		return // the coordinator is not there: neither are we
	}
	defer onward.Close()
	var both sync.WaitGroup
	both.Go(func() { p.pass(from, onward, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) })
	both.Go(func() { p.pass(onward, from, 0) })
	both.Wait()
}

// pass copies one direction and reads along: preface bytes, then HTTP/2 frames.
func (p *proxy) pass(from, to net.Conn, preface int) {
	defer from.Close()
	defer to.Close()
	read := bufio.NewReaderSize(io.TeeReader(from, to), 1<<16)
	err := p.follow(read, preface)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isNet(err) {
		p.failed.Store(&err)
	}
}

func isNet(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// message is where a stream's sequence of messages stands: each is five bytes, of which four are its length, and so many
// more.
type message struct {
	head []byte
	rest int64
}

func (p *proxy) follow(read *bufio.Reader, preface int) error {
	if _, err := read.Discard(preface); err != nil {
		return err
	}
	streams := make(map[uint32]*message)
	for {
		var head [9]byte // RFC 9113, 4.1
		if _, err := io.ReadFull(read, head[:]); err != nil {
			return err
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		id := binary.BigEndian.Uint32(head[5:]) & math31
		const data, padded = 0, 0x8
		if head[3] != data {
			if _, err := read.Discard(length); err != nil {
				return err
			}
			continue
		}
		if head[4]&padded != 0 {
			return fmt.Errorf("a padded frame, which gRPC does not send")
		}
		if streams[id] == nil {
			streams[id] = &message{}
		}
		if err := p.data(read, length, streams[id]); err != nil {
			return err
		}
	}
}

const math31 = 1<<31 - 1

// data reads a frame of so many bytes of a stream.
func (p *proxy) data(read *bufio.Reader, length int, m *message) error {
	for length > 0 {
		if m.rest > 0 {
			n, err := read.Discard(int(min(m.rest, int64(length))))
			if err != nil {
				return err
			}
			m.rest -= int64(n)
			length -= n
			continue
		}
		b, err := read.ReadByte()
		if err != nil {
			return err
		}
		length--
		if m.head = append(m.head, b); len(m.head) == 5 {
			m.rest = int64(binary.BigEndian.Uint32(m.head[1:]))
			m.head = m.head[:0]
			p.count(m.rest)
		}
	}
	return nil
}

func (p *proxy) count(size int64) {
	p.messages.Add(1)
	for old := p.largest.Load(); size > old; old = p.largest.Load() {
		if p.largest.CompareAndSwap(old, size) {
			return
		}
	}
}
