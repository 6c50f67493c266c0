package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Team is goroutines that help each other with large products. It starts none: members that have nothing to do wait at
// Calls and serve what comes, and who has a product shares it with those that wait at that moment, and with nobody else. So
// there are never more at work than members, and no result depends on who helps. A nil Team is a goroutine on its own.
type Team struct {
	size  int
	calls chan *Call // to members that wait

	// Waking a member that waits takes as long as a small product. So who has served one lingers for a moment.
	lingering atomic.Int64 // members that do, less the calls on their way to them
	more      chan *Call   // these calls; there is room for all
}

// lingers is how often a member that lingers looks for a call: for about a tenth of a millisecond.
const lingers = 1000

// NewTeam returns a team of so many members, at least 1.
func NewTeam(size int) *Team {
	return &Team{size: size, calls: make(chan *Call), more: make(chan *Call, size)}
}

// Size returns how many members there are.
func (t *Team) Size() int {
	if t == nil {
		return 1
	}
	return t.size
}

// Calls is where members wait that have nothing to do: they serve the calls that come out.
func (t *Team) Calls() <-chan *Call {
	if t == nil {
		return nil
	}
	return t.calls
}

// Staff starts goroutines for all members but the caller, who do nothing but help, and returns what ends them.
func (t *Team) Staff() (dismiss func()) {
	if t.Size() == 1 {
		return func() {}
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	for range t.size - 1 {
		all.Go(func() {
			for {
				select {
				case c := <-t.calls:
					c.Serve()
				case <-done:
					return
				}
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
	}
}

// Parts is work that members share: parts may be done in any order, and at the same time.
type Parts interface {
	// Part does part i as a member, who is from 0, the caller, to below Team.Size and does one part at a time.
	Part(i, member int)
}

// Call is work that is being shared. Its owner uses it again and again, for one piece of work at a time.
type Call struct {
	team    *Team
	work    Parts
	parts   int
	next    atomic.Int64 // the first part that nobody has taken
	members atomic.Int64 // who have come, without the caller
	helpers atomic.Int64 // who have been asked and are not done
}

// Do does all parts, with the members of t that wait now, and returns when they are done. It allocates nothing.
func (c *Call) Do(t *Team, work Parts, parts int) {
	c.team, c.work, c.parts = t, work, parts
	c.next.Store(0)
	c.members.Store(0)
	for range min(t.Size(), parts) - 1 {
		if !c.share() {
			break
		}
	}
	c.do(0)
	for c.helpers.Load() > 0 {
		runtime.Gosched() // a part at most
	}
}

// share gives the call to a member that lingers or waits, if there is one.
func (c *Call) share() bool {
	c.helpers.Add(1)
	if c.team.take() {
		c.team.more <- c
		return true
	}
	select {
	case c.team.calls <- c:
		return true
	default:
		c.helpers.Add(-1)
		return false
	}
}

// take counts one member less as lingering, if there is one.
func (t *Team) take() bool {
	for n := t.lingering.Load(); n > 0; n = t.lingering.Load() {
		if t.lingering.CompareAndSwap(n, n-1) {
			return true
		}
	}
	return false
}

// Serve does parts until all are taken, and those of calls that come right after it. It is called once for each receive
// from Calls.
func (c *Call) Serve() {
	for t := c.team; c != nil; c = t.linger() {
		c.do(int(c.members.Add(1)))
		c.helpers.Add(-1)
	}
}

// linger returns the next call, or nil if none comes soon.
func (t *Team) linger() *Call {
	t.lingering.Add(1)
	for range lingers {
		select {
		case c := <-t.more:
			return c
		default:
			runtime.Gosched()
		}
	}
	if t.take() {
		return nil
	}
	return <-t.more // it is on its way
}

// do does parts until all are taken.
func (c *Call) do(member int) {
	for i := c.next.Add(1) - 1; int(i) < c.parts; i = c.next.Add(1) - 1 {
		c.work.Part(int(i), member)
	}
}
