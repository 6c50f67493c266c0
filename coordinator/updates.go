package coordinator

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// updatesInMemory is how many bytes of a round's updates wait in memory for a rule that needs them all at once.
const updatesInMemory = 64 << 20

// readBytes is how much of an update is read from the disk at a time.
const readBytes = 1 << 18

// updates keeps the updates of a round for a rule that needs them all at once (localsgd.Combiner): in memory as far as
// they fit there, and from then on in an unlinked file, which costs page cache and no anonymous memory. Room that a round
// has taken is the next one's. It belongs to the owner's goroutine.
type updates struct {
	dir      string
	size     int64 // bytes of an update
	inMemory int   // the first so many

	shares []localsgd.Share // ascending by shard
	slots  []int            // where their updates are: the order of arrival
	memory [][]byte         // by slot
	file   *os.File         // the slots from inMemory on; nil: not needed yet
	buffer []byte
}

// newUpdates returns what keeps updates of size bytes, the first of them in so many bytes of memory.
func newUpdates(dir string, size, memory int64) *updates {
	return &updates{dir: dir, size: size, inMemory: int(memory / size)}
}

// reset forgets the last round's updates.
func (u *updates) reset() { u.shares, u.slots = u.shares[:0], u.slots[:0] }

// close gives the disk back.
func (u *updates) close() {
	if u.file != nil {
		_ = u.file.Close() // unlinked: nothing can be lost
	}
}

// add keeps an update that was checked, from its byte form. After an error it is as before.
func (u *updates) add(share localsgd.Share, r io.Reader) error {
	at, found := slices.BinarySearchFunc(u.shares, share.Shard, func(s localsgd.Share, k int) int { return s.Shard - k })
	if found {
		return fmt.Errorf("%w: shard %d", localsgd.ErrOverlap, share.Shard)
	}
	slot := len(u.slots)
	if err := u.write(slot, r); err != nil {
		return err
	}
	u.shares, u.slots = slices.Insert(u.shares, at, share), slices.Insert(u.slots, at, slot)
	return nil
}

func (u *updates) write(slot int, r io.Reader) error {
	if slot < u.inMemory {
		if slot == len(u.memory) {
			u.memory = append(u.memory, make([]byte, u.size))
		}
		_, err := io.ReadFull(r, u.memory[slot])
		return err
	}
	if u.file == nil {
		var err error
		if u.file, err = unlinkedFile(u.dir, "updates-*.tmp"); err != nil {
			return fmt.Errorf("making room for the updates of a round: %w", err)
		}
	}
	if _, err := io.CopyN(io.NewOffsetWriter(u.file, u.at(slot)), r, u.size); err != nil {
		return fmt.Errorf("keeping an update of %d bytes: %w", u.size, err)
	}
	return nil
}

// at returns where a slot begins in the file.
func (u *updates) at(slot int) int64 { return int64(slot-u.inMemory) * u.size }

// Shares implements localsgd.Updates.
func (u *updates) Shares() []localsgd.Share { return u.shares }

// Read implements localsgd.Updates.
func (u *updates) Read(dst []float32, i, offset int) error {
	slot := u.slots[i]
	if slot < u.inMemory {
		tensor.Decode(dst, u.memory[slot][4*offset:][:4*len(dst)])
		return nil
	}
	if u.buffer == nil {
		u.buffer = make([]byte, readBytes)
	}
	at := u.at(slot) + 4*int64(offset)
	for part := range slices.Chunk(dst, readBytes/4) {
		raw := u.buffer[:4*len(part)]
		if _, err := u.file.ReadAt(raw, at); err != nil {
			return fmt.Errorf("reading an update: %w", err)
		}
		tensor.Decode(part, raw)
		at += int64(len(raw))
	}
	return nil
}

// untilStopped are updates that cannot be read any more once their context has ended: combining many takes a while.
type untilStopped struct {
	*updates
	ctx context.Context
}

// Read implements localsgd.Updates.
func (u untilStopped) Read(dst []float32, i, offset int) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	return u.updates.Read(dst, i, offset)
}
