package coordinator

import (
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// roundClock says where a round's time goes. The time until the last update counted is split by the worker that pushed
// it, since the round waited for no other: its training, its transfers, and the rest, which is waiting.
type roundClock struct {
	began, ended time.Time
	up, down     int64 // bytes on the wire at the beginning
	workers      map[*participant]*workerTime
	last         *participant
}

type workerTime struct{ train, network float64 }

func newRoundClock(c *Coordinator) roundClock {
	return roundClock{
		began: time.Now(), up: c.traffic.up.Load(), down: c.traffic.down.Load(),
		workers: make(map[*participant]*workerTime),
	}
}

func (r *roundClock) of(p *participant) *workerTime {
	if r.workers[p] == nil {
		r.workers[p] = &workerTime{}
	}
	return r.workers[p]
}

// pushed notes a push that counted. Tasks of one worker that were trained in several slots overlap.
func (r *roundClock) pushed(p *participant, push *wire.Push, seconds float64) {
	var train float64
	for _, t := range push.Tasks {
		train += t.Train.Seconds()
	}
	w := r.of(p)
	w.train += train / float64(min(p.session.Hello.Slots, len(push.Tasks)))
	w.network += seconds
	r.last = p
}

func (r *roundClock) closed() { r.ended = time.Now() }

// seconds splits the time since the beginning, of which measureWait went to waiting for an earlier measurement.
func (r *roundClock) seconds(measureWait time.Duration) record.Seconds {
	window := r.ended.Sub(r.began).Seconds()
	var s record.Seconds
	if r.last != nil {
		w := r.of(r.last)
		s.Train = min(w.train, window)
		s.Network = min(w.network, window-s.Train)
	}
	s.MeasureWait = measureWait.Seconds()
	s.Wait = window - s.Train - s.Network + s.MeasureWait
	s.Aggregate = max(0, time.Since(r.ended).Seconds()-s.MeasureWait)
	return s
}

// bytes returns what went over the wire since the beginning.
func (r *roundClock) bytes(c *Coordinator) (up, down int64) {
	return c.traffic.up.Load() - r.up, c.traffic.down.Load() - r.down
}

func (o *owner) onFetched(e fetched) {
	if p := o.workers[e.session.ID]; p != nil && o.current != nil {
		o.current.clock.of(p).network += e.seconds
	}
}
