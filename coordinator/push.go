package coordinator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Push takes a push: body writes its payload, checked chunk by chunk, to the given writer. It counts whole or not at all,
// and the reply says which. The error is that of body or of the context, when the payload did not arrive.
func (c *Coordinator) Push(ctx context.Context, p *wire.Push, body func(io.Writer) error) (wire.PushReply, error) {
	s := c.live(p.Session)
	if s == nil {
		return wire.PushReply{Verdict: wire.Refused, Reason: fmt.Sprintf("session %d is over", p.Session)}, nil
	}
	ctx, stop := s.bound(ctx)
	defer stop()
	o := c.activeOwner()
	if o == nil || o.run.ID != p.Run {
		return wire.PushReply{Verdict: wire.Late, Reason: fmt.Sprintf("run %s is not going on", p.Run)}, nil
	}
	first, err := ask(ctx, o.inbox, func(answer chan<- offerAnswer) any { return offer{s, p, answer} })
	if err != nil || first.grid == nil {
		return first.reply, err
	}
	return o.receive(ctx, s, p, first, body)
}

// receive stages the payload of an accepted push, checks it, and hands it to the owner.
func (o *owner) receive(ctx context.Context, s *Session, p *wire.Push, first offerAnswer, body func(io.Writer) error) (wire.PushReply, error) {
	began := time.Now()
	payload, err := o.c.staging.open(ctx, p.Bytes)
	if err != nil {
		return wire.PushReply{}, err
	}
	handedOver := false
	defer func() {
		if !handedOver {
			payload.release()
		}
	}()
	watch := &pushWatch{o: o, push: p, from: s.Hello.Name}
	watch.say("begin")
	hash := sha256.New()
	err = body(io.MultiWriter(payload, hash, watch))
	if err != nil && !errors.Is(err, wire.ErrMessage) {
		// It broke off: the worker has gone, or does not want to any more, or will try again: as often as the disk is full.
		o.log.Warn("push broken off", "worker", s.Hello.Name, "round", p.Round, "shards", p.Shards(), "why", err)
		return wire.PushReply{}, err
	}
	if err == nil {
		err = o.checkPayload(p, first, tensor.Hash(hash.Sum(nil)), payload)
	}
	if err != nil {
		o.inbox.put(badBytes{s, p, err})
		return wire.PushReply{Verdict: wire.Refused, Reason: err.Error()}, nil
	}
	if err := first.states.keep(o, p, payload); err != nil {
		o.inbox.put(notKept{p, err})
		return wire.PushReply{Verdict: wire.Late, Reason: "the coordinator failed"}, nil
	}
	watch.say("end")
	d := delivery{
		session: s, push: p, seconds: time.Since(began).Seconds(), release: payload.release,
		payload: func() io.Reader {
			return io.LimitReader(payload.reader(), p.Bytes-first.states.pushBytes(len(p.Tasks)))
		},
	}
	answer := make(chan wire.PushReply, 1)
	d.answer = answer
	// From here on the owner has the payload: the worker may be gone before it is read.
	if handedOver = o.inbox.put(d); !handedOver {
		return wire.PushReply{}, ErrClosed
	}
	return await(ctx, answer)
}

// pushWatch says in the log where a push stands.
type pushWatch struct {
	o    *owner
	push *wire.Push
	from string
	size int64
}

// Write notes when half of the payload is there.
func (w *pushWatch) Write(part []byte) (int, error) {
	before := w.size
	w.size += int64(len(part))
	if before < w.push.Bytes/2 && w.size >= w.push.Bytes/2 {
		w.say("half")
	}
	return len(part), nil
}

func (w *pushWatch) say(at string) {
	w.o.log.Debug("push", "at", at, "worker", w.from, "round", w.push.Round, "tasks", len(w.push.Tasks))
}

// errPayload says what of a push's bytes contradicts its header.
var errPayload = errors.New("damaged push")

func (o *owner) checkPayload(p *wire.Push, with offerAnswer, hash tensor.Hash, payload staged) error {
	if hash != p.SHA256 {
		return fmt.Errorf("%w: payload_sha256 is %s, the bytes give %s", errPayload, p.SHA256, hash)
	}
	update := func() io.Reader { return io.LimitReader(payload.reader(), p.Bytes-with.states.pushBytes(len(p.Tasks))) }
	check := func() error { return with.grid.CheckUpdate(update()) }
	if p.Sum {
		check = func() error { return with.grid.CheckSum(update(), p.Shares()) }
	}
	if err := check(); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	return with.states.split(p, payload)
}

// ask puts a question into the mailbox and waits for the answer. An owner that ends answers what is left in its mailbox.
func ask[A any](ctx context.Context, inbox *mailbox, question func(chan<- A) any) (A, error) {
	answer := make(chan A, 1)
	var none A
	if !inbox.put(question(answer)) {
		return none, ErrClosed
	}
	return await(ctx, answer)
}

func await[A any](ctx context.Context, answer <-chan A) (A, error) {
	var none A
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// turnDown answers an event that its owner did not live to handle.
func (o *owner) turnDown(e any) {
	late := wire.PushReply{Verdict: wire.Late, Reason: "the run is not going on"}
	switch e := e.(type) {
	case offer:
		e.answer <- offerAnswer{reply: late}
	case delivery:
		e.answer <- late
		e.release()
	}
}

// onOffer checks a push's header against the round.
func (o *owner) onOffer(e offer) error {
	if o.async != nil {
		return o.onAsyncOffer(e)
	}
	reply, ok := o.judge(e.session, e.push)
	if ok {
		e.answer <- offerAnswer{grid: o.current.grid, states: shardStates{size: o.states.size, travels: o.states.travels}}
		return nil
	}
	e.answer <- offerAnswer{reply: reply}
	return o.release(e.session, e.push, reply)
}

// release tells the machine of a push that does not count: its worker forgets what is refused, and what is late as a
// whole though some of its tasks do not count yet.
func (o *owner) release(s *Session, p *wire.Push, reply wire.PushReply) error {
	if !o.isCurrent(p.Key) || o.workers[s.ID] == nil {
		return nil
	}
	switch reply.Verdict {
	case wire.Refused:
		o.log.Warn("push refused", "worker", s.Hello.Name, "round", p.Round, "shards", p.Shards(), "why", reply.Reason)
		return o.step(round.Refused{ID: s.ID, Shards: p.Shards(), Why: reply.Reason})
	case wire.Late:
		return o.step(round.Dropped{ID: s.ID, Shards: p.Shards(), Why: reply.Reason})
	}
	return nil
}

// judge tells whether a push may count now, and the reply if not.
func (o *owner) judge(s *Session, p *wire.Push) (wire.PushReply, bool) {
	switch {
	case o.workers[s.ID] == nil:
		return wire.PushReply{Verdict: wire.Refused, Reason: "the worker has not joined the run"}, false
	case !o.isCurrent(p.Key):
		return wire.PushReply{Verdict: wire.Late, Reason: fmt.Sprintf("round %d is not open", p.Round)}, false
	}
	if err := o.checkHeader(p); err != nil {
		return wire.PushReply{Verdict: wire.Refused, Reason: err.Error()}, false
	}
	err := o.current.machine.Accepts(s.ID, p.Shards())
	switch {
	case err == nil:
		return wire.PushReply{}, true
	case errors.Is(err, round.ErrCounted):
		return wire.PushReply{Verdict: wire.Duplicate, Reason: err.Error()}, false
	case errors.Is(err, round.ErrEnded), errors.Is(err, round.ErrLeftOut), errors.Is(err, round.ErrPartlyCounted):
		return wire.PushReply{Verdict: wire.Late, Reason: err.Error()}, false
	default:
		return wire.PushReply{Verdict: wire.Refused, Reason: err.Error()}, false
	}
}

// checkHeader compares what a push was computed from with the round.
func (o *owner) checkHeader(p *wire.Push) error {
	grid := o.current.grid
	want := grid.UpdateBytes()
	if p.Sum {
		want = grid.SumBytes()
	}
	want += o.states.pushBytes(len(p.Tasks))
	switch {
	case p.Sum && o.updates != nil:
		return fmt.Errorf("a sum of %d tasks, the rule %s needs each update alone", len(p.Tasks), o.algorithm.Rule.Name())
	case p.Layout != grid.Layout().Fingerprint():
		return fmt.Errorf("layout_fingerprint is %s, the run's is %s", p.Layout, grid.Layout().Fingerprint())
	case p.Start != o.start.hash:
		return fmt.Errorf("start_sha256 is %s, round %d starts with %s", p.Start, p.Round, o.start.hash)
	case p.Bytes != want:
		return fmt.Errorf("payload_bytes is %d, want %d", p.Bytes, want)
	case p.Sum && !slices.Equal(p.Quanta, grid.Quanta()):
		return fmt.Errorf("quanta are %v, the round's grid has %v", p.Quanta, grid.Quanta())
	}
	if err := o.states.check(p); err != nil {
		return err
	}
	for _, t := range p.Tasks {
		i, found := o.current.find(t.Shard)
		if !found {
			return fmt.Errorf("shard %d does not take part in round %d", t.Shard, p.Round)
		}
		if w := o.current.plan.Tasks[i].Weight; t.Weight != w {
			return fmt.Errorf("weight of shard %d is %d, want %d", t.Shard, t.Weight, w)
		}
	}
	return nil
}

// onDelivery counts a push that is whole and checked, if the round still wants it.
func (o *owner) onDelivery(e delivery) error {
	if o.async != nil {
		return o.onAsyncDelivery(e)
	}
	defer e.release()
	reply, ok := o.judge(e.session, e.push)
	if !ok {
		e.answer <- reply
		return o.release(e.session, e.push, reply)
	}
	add := func() error { return o.sum.AddFrom(e.push.Shares()[0], e.payload()) }
	switch {
	case o.updates != nil:
		add = func() error { return o.updates.add(e.push.Shares()[0], e.payload()) }
	case e.push.Sum:
		add = func() error { return o.sum.MergeFrom(e.push.Shares(), e.payload()) }
	}
	if err := add(); err != nil {
		// The bytes were whole and checked: the staging file cannot be read any more, or the sum is at odds with the round.
		e.answer <- wire.PushReply{Verdict: wire.Late, Reason: "the coordinator failed"}
		return fmt.Errorf("adding shards %v in round %d: %w", e.push.Shards(), e.push.Round, err)
	}
	o.count(e)
	e.answer <- wire.PushReply{Verdict: wire.Counted}
	return o.step(round.Answered{ID: e.session.ID, Shards: e.push.Shards()})
}

func (o *owner) count(e delivery) {
	p := o.workers[e.session.ID]
	for _, t := range e.push.Tasks {
		o.current.facts[t.Shard] = t
		o.current.by[t.Shard] = p
	}
	o.current.clock.pushed(p, e.push, e.seconds)
}

func (o *owner) onBadBytes(e badBytes) error {
	reply := wire.PushReply{Verdict: wire.Refused, Reason: e.why.Error()}
	if o.async != nil {
		return o.releaseAsync(e.session, e.push, reply)
	}
	return o.release(e.session, e.push, reply)
}
