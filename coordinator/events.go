package coordinator

import (
	"io"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// The events of an owner's mailbox.
type (
	// joined: a worker has a session.
	joined struct{ session *Session }
	// left: a session has ended.
	left struct {
		session *Session
		why     error
	}
	// message: a worker has something to say.
	message struct {
		session *Session
		m       wire.FromWorker
	}
	// offer: may this push be counted? The answer has a verdict, or the grid to check the bytes with.
	offer struct {
		session *Session
		push    *wire.Push
		answer  chan<- offerAnswer
	}
	// delivery: here are the bytes of a push, whole and checked.
	delivery struct {
		session *Session
		push    *wire.Push
		payload func() io.Reader
		release func()  // gives the bytes back; whoever handles the event calls it
		seconds float64 // that the bytes took
		answer  chan<- wire.PushReply
	}
	// badBytes: the bytes of an accepted push contradict its header.
	badBytes struct {
		session *Session
		push    *wire.Push
		why     error
	}
	// notKept: the states of an accepted push cannot be written.
	notKept struct {
		push *wire.Push
		why  error
	}
	// fetched: a worker has taken a model.
	fetched struct {
		session *Session
		seconds float64
	}
	// ranked: the layers of a round's model are measured.
	ranked struct {
		round  int
		layers []analysis.Layer
		err    error
	}
	// cancelled: an operator does not want the run any more.
	cancelled struct{}
)

type offerAnswer struct {
	reply  wire.PushReply
	grid   *localsgd.Grid // nil: reply is final
	states shardStates    // without the states that there are: how they travel
}
