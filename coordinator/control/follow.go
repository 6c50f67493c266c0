package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/fedrelu/fedrelu/coordinator/record"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Event is one thing that is told of a run: exactly one field is set.
type Event struct {
	Run      *record.Run   // the run as it is now: at first, and whenever its status changes
	Entry    *record.Entry // the next link of its chain
	Progress *Progress     // what it does between two entries
}

// Progress says where a round stands and whom it waits for.
type Progress struct {
	Round             int
	Invited, Answered int       // shards
	Workers           int       // that take part
	Phase             string    // train, aggregate, commit, measure, or wait
	WaitingFor        string    // in words; empty: for nobody
	Until             time.Time // when the wait ends whatever happens, by this machine's clock; zero: no such time
}

// Follow passes the events of a run to each: first the run itself, then the entries of its chain from number `from` on.
// With follow it goes on until the run has ended, otherwise until what is there was told. It returns the first error of
// each, as it is.
func (c *Client) Follow(ctx context.Context, run string, from uint64, follow bool, each func(Event) error) error {
	const doing = "reading the run"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Entries(ctx, &fedreluv1.EntriesRequest{Run: run, From: from, Follow: follow})
	if err != nil {
		return c.wrap(doing, err)
	}
	return c.receive(stream, doing, each)
}

func (c *Client) receive(stream grpc.ServerStreamingClient[fedreluv1.EntriesReply], doing string, each func(Event) error) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.wrap(doing, err)
		}
		e, err := eventFromProto(m)
		if err != nil {
			return c.wrap(doing, err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

func eventFromProto(m *fedreluv1.EntriesReply) (Event, error) {
	switch r := m.GetReply().(type) {
	case *fedreluv1.EntriesReply_Run:
		run, err := record.RunFromProto(r.Run)
		return Event{Run: &run}, err
	case *fedreluv1.EntriesReply_Entry:
		entry, err := record.EntryFromProto(r.Entry)
		return Event{Entry: &entry}, err
	case *fedreluv1.EntriesReply_Progress:
		return Event{Progress: progressFromProto(r.Progress)}, nil
	}
	return Event{}, fmt.Errorf("%w: an event of a kind that this version does not know", ErrInvalid)
}

func progressFromProto(m *fedreluv1.Progress) *Progress {
	p := &Progress{
		Round: int(m.GetRound()), Invited: int(m.GetInvited()), Answered: int(m.GetAnswered()), Workers: int(m.GetWorkers()),
		Phase: m.GetPhase(), WaitingFor: m.GetWaitingFor(),
	}
	const longest = uint64(365 * 24 * time.Hour / time.Millisecond)
	if left := min(m.GetDeadlineMillis(), longest); left > 0 {
		p.Until = time.Now().Add(time.Duration(left) * time.Millisecond)
	}
	return p
}
