package worker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker"
)

// state is what the course knows of a shard in the round.
type state int

const (
	open state = iota
	assigned
	trained
	answered
)

// course is a coordinator with one worker that does anything at any time that a coordinator may do.
type course struct {
	*setup
	c       *coordinator
	rng     *rand.Rand
	session *session
	number  uint64
	round   int
	start   []float32
	hash    tensor.Hash
	sum     bool
	shards  [shards]state
	silent  []*push // pushes that were not answered
	calm    bool    // nothing fails any more
}

// TestAnyCourseEndsWithTheSameBits lets sessions break, pushes fail, shards be abandoned and rounds begin at any moment.
// Whatever arrives must be exact, and when things calm down every shard must be answered.
func TestAnyCourseEndsWithTheSameBits(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s, c := newSetup(t, defaultSpec), newCoordinator(t)
			k := &course{setup: s, c: c, rng: rand.New(rand.NewPCG(seed, 1))}
			cfg := s.config(c)
			cfg.Slots = 1 + k.rng.IntN(3)
			cfg.PushAfter = []time.Duration{1, 50 * time.Microsecond, time.Hour}[k.rng.IntN(3)]
			runCourse(t, cfg, k)
		})
	}
}

func runCourse(t *testing.T, cfg worker.Config, k *course) {
	w := run(t, cfg)
	k.join()
	k.begin()
	for range 150 {
		k.act()
		for k.rng.IntN(3) > 0 && k.listen(time.Duration(k.rng.IntN(2))*time.Millisecond) {
		}
	}
	k.calm = true
	k.hangUp()
	for !k.done() {
		k.hand()
		if !k.listen(patience) {
			t.Fatalf("nothing happens any more; shards %v, %d pushes unanswered", k.shards, len(k.silent))
		}
	}
	stopsWithinASecond(t, w)
}

func (k *course) done() bool {
	return !slices.ContainsFunc(k.shards[:], func(s state) bool { return s != answered })
}

// in returns the shards in any of the states.
func (k *course) in(states ...state) []int {
	var all []int
	for i, s := range k.shards {
		if slices.Contains(states, s) {
			all = append(all, i)
		}
	}
	return all
}

// some returns a random part of the shards.
func (k *course) some(from []int) []int {
	var part []int
	for _, i := range from {
		if k.rng.IntN(3) == 0 {
			part = append(part, i)
		}
	}
	return part
}

// begin plans another round, which ends the last.
func (k *course) begin() {
	k.round++
	k.start = k.model(k.round)
	k.hash = k.c.serve(k.start)
	k.sum = k.rng.IntN(3) > 0
	k.shards = [shards]state{}
}

// join opens the next session and judges what the worker holds.
func (k *course) join() {
	k.number++
	k.session = k.c.admit(k.number)
	k.session.say(k.setup.start)
	for i := range k.shards {
		if k.shards[i] != answered {
			k.shards[i] = open
		}
	}
	ready := hear[wire.RunReady](k.session)
	for _, h := range ready.Holding {
		if h.Round != k.round || h.Start != k.hash {
			continue
		}
		wanted := !slices.ContainsFunc(h.Shards, func(i int) bool { return k.shards[i] != open })
		if !wanted {
			k.session.say(wire.Abandon{Key: k.key(k.round), Shards: h.Shards})
			continue
		}
		k.set(h.Shards, trained)
	}
}

func (k *course) set(shards []int, s state) {
	for _, i := range shards {
		k.shards[i] = s
	}
}

// hangUp breaks the session; sometimes the coordinator forgets what it had not committed.
func (k *course) hangUp() {
	k.session.end(errGone)
	for _, p := range k.silent {
		p.fail(codes.Unavailable)
	}
	k.silent = nil
	if k.rng.IntN(2) == 0 {
		k.shards = [shards]state{}
	}
	k.join()
}

// act does one thing.
func (k *course) act() {
	switch n := k.rng.IntN(40); {
	case n < 16:
		k.assign(k.some(k.in(open)))
	case n < 24:
		k.session.say(wire.Flush{Key: k.key(k.round)})
	case n < 28: // another worker was faster
		gone := k.some(k.in(open, assigned, trained))
		k.set(gone, answered)
		if len(gone) > 0 {
			k.session.say(wire.Abandon{Key: k.key(k.round), Shards: gone})
		}
	case n < 32:
		k.session.say(wire.Measure{Key: k.key(k.round), Shards: []int{k.rng.IntN(shards)}, Start: k.hash, Model: k.hash, Probe: 3})
	case n < 35:
		k.hangUp()
	case n < 37:
		k.begin()
	case n < 38: // the same run from its beginning
		k.session.say(wire.CloseRun{Run: k.setup.start.Run})
		k.hangUp()
	}
}

func (k *course) assign(ks []int) {
	if len(ks) == 0 {
		return
	}
	k.set(ks, assigned)
	a := k.setup.assign(k.round, k.hash, ks...)
	a.Sum = k.sum
	for i := range a.Tasks {
		a.Tasks[i].Measured = i%2 == 0
	}
	k.session.say(a)
}

// hand does what is left to do.
func (k *course) hand() {
	k.assign(k.in(open))
	if len(k.in(assigned)) == 0 && len(k.in(trained)) > 0 {
		k.session.say(wire.Flush{Key: k.key(k.round)})
	}
}

// listen handles what comes next, and tells whether anything came in time.
func (k *course) listen(wait time.Duration) bool {
	select {
	case p := <-k.c.pushes:
		k.answer(p)
	case m := <-k.session.heard:
		k.hear(m)
	case <-time.After(wait):
		return false
	}
	return true
}

func (k *course) hear(m wire.FromWorker) {
	now := k.key(k.round)
	switch m := m.(type) {
	case wire.Trained:
		for _, i := range m.Shards {
			if m.Key == now && k.shards[i] != answered {
				k.shards[i] = trained
			}
		}
	case wire.Dropped:
		if m.Key == now {
			k.reopen(m.Shards)
		}
	case wire.TaskFailed:
		if m.Key == now {
			k.reopen([]int{m.Shard})
		}
	case wire.DriftSample:
		if want := k.sample(m.Round, k.model(m.Round), k.model(m.Round), m.Sample.Shard, 3); m.Sample != want {
			k.t.Errorf("measured %+v, want %+v", m.Sample, want)
		}
	default:
		k.t.Errorf("heard %#v", m)
	}
}

func (k *course) reopen(ks []int) {
	for _, i := range ks {
		if k.shards[i] != answered {
			k.shards[i] = open
		}
	}
}

// answer answers a push, mostly as it should.
func (k *course) answer(p *push) {
	if p.err != nil {
		return // broken off
	}
	k.check(p, p.Round, k.model(p.Round))
	counted := 0
	for _, i := range p.Shards() {
		if k.shards[i] == answered {
			counted++
		}
	}
	luck := k.rng.IntN(10)
	switch {
	case p.Session != k.number:
		p.fail(codes.FailedPrecondition)
	case p.Round != k.round || p.Start != k.hash:
		p.reply(wire.Late, "")
	case !k.calm && luck == 0:
		p.fail(codes.Unavailable)
	case !k.calm && luck == 1:
		k.silent = append(k.silent, p)
	case counted == len(p.Tasks):
		p.reply(wire.Duplicate, "")
	case counted > 0:
		p.reply(wire.Refused, "partly counted")
	default:
		k.set(p.Shards(), answered)
		p.reply(wire.Counted, "")
	}
}
