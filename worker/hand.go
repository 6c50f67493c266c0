package worker

import "github.com/fedrelu/fedrelu/internal/kernel"

// event is what a hand or a session tells the agent, which applies it to its state.
type event interface{ apply(a *agent) }

// order is a piece of work that takes long. It runs on a hand and touches only what it was given.
type order func() event

// hand is a goroutine that carries out the agent's orders one at a time.
type hand struct {
	orders chan order   // of capacity 1: giving never blocks, since only an idle hand gets an order
	busy   bool         // the agent's
	team   *kernel.Team // whose products it shares while it is idle; nil: none
}

func newHand() *hand { return &hand{orders: make(chan order, 1)} }

// work is the goroutine. It ends when the agent dismisses the hand.
func (h *hand) work(report func(event)) {
	for {
		select {
		case o, employed := <-h.orders:
			if !employed {
				return
			}
			report(finished{h, o()})
		case c := <-h.team.Calls():
			c.Serve()
		}
	}
}

// give hands out an order; the hand must be idle.
func (h *hand) give(o order) {
	h.busy = true
	h.orders <- o
}

// finished is a hand's event, after which it is idle again.
type finished struct {
	hand *hand
	event
}

func (e finished) apply(a *agent) {
	e.hand.busy = false
	e.event.apply(a)
}
