package coordinator

import "sync"

// mailbox is an unbounded queue of events with one reader. Its length is bounded by who writes: each session's messages
// answer the coordinator's own, and each push waits for its answer.
type mailbox struct {
	mu     sync.Mutex
	events []any
	closed bool
	ready  chan struct{} // holds a token while events may be there
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// put adds an event, and returns false when nobody will read it any more.
func (m *mailbox) put(e any) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.events = append(m.events, e)
	m.wake()
	return true
}

func (m *mailbox) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take returns the oldest event, if there is one.
func (m *mailbox) take() (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) == 0 {
		m.events = nil
		return nil, false
	}
	e := m.events[0]
	m.events = m.events[1:]
	if len(m.events) > 0 {
		m.wake()
	}
	return e, true
}

// close refuses further events and returns those that nobody took.
func (m *mailbox) close() []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	left := m.events
	m.events = nil
	return left
}
