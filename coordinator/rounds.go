package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// currentRound is the round at hand.
type currentRound struct {
	number   int
	plan     localsgd.Plan
	measured []int // shards whose drift will be measured, ascending
	replayed *record.Round
	grid     *localsgd.Grid
	machine  *round.Machine
	next     []float32 // keeps the first update until there is a second, and becomes the next model

	facts    map[int]wire.PushedTask // by shard, of the updates that count
	by       map[int]*participant    // whose updates count
	diverged []record.Diverged
	closed   *round.Close

	clock roundClock
}

func (c *currentRound) holds(shard int) bool {
	_, found := c.find(shard)
	return found
}

func (c *currentRound) find(shard int) (int, bool) {
	return slices.BinarySearchFunc(c.plan.Tasks, shard, func(t localsgd.PlannedTask, k int) int { return t.Shard - k })
}

func (c *currentRound) shards() []int {
	shards := make([]int, len(c.plan.Tasks))
	for i, s := range c.plan.Tasks {
		shards[i] = s.Shard
	}
	return shards
}

func (o *owner) isCurrent(k wire.Key) bool {
	return o.current != nil && k.Run == o.run.ID && k.Round == o.current.number
}

// round makes the next round: it plans it, lets the machine run it, and finishes it.
func (o *owner) round(ctx context.Context) error {
	o.say("plan", true)
	if err := o.open(); err != nil {
		return err
	}
	var joins []round.Event
	for _, p := range o.readyWorkers() {
		events, err := o.joinEvents(p, nil)
		if err != nil {
			return err
		}
		joins = append(joins, events...)
	}
	if err := o.step(joins...); err != nil {
		return o.planAnew(err)
	}
	o.say("train", true)
	for o.current.closed == nil {
		wake, _ := o.current.machine.Wake()
		if err := o.next(ctx, wake); err != nil {
			return o.planAnew(err)
		}
	}
	if o.current.replayed != nil {
		return o.finishReplay(ctx)
	}
	return o.finish(ctx)
}

// planAnew lets go of a round that has to be planned again; any other error it returns.
func (o *owner) planAnew(err error) error {
	if !errors.Is(err, errPlanAnew) {
		return err
	}
	for _, p := range o.readyWorkers() {
		o.tell(p.session.ID, wire.Abandon{Key: wire.Key{Run: o.run.ID, Round: o.current.number}, Shards: o.current.shards()})
	}
	o.c.models.giveBack(o.current.next)
	o.current = nil
	return nil
}

// open plans the round after the last one, or the next one to be replayed.
func (o *owner) open() error {
	cur := &currentRound{
		number: o.last.Number + 1,
		facts:  make(map[int]wire.PushedTask), by: make(map[int]*participant),
		clock: newRoundClock(o.c),
	}
	policy := o.policy()
	if len(o.replay) > 0 {
		cur.replayed = &o.replay[0]
		cur.number = cur.replayed.Number
		cur.plan = replayPlan(cur.replayed)
		policy = round.Policy{GiveUp: o.spec.GiveUp, TaskLimit: o.spec.TaskLimit}
	} else {
		cur.plan = o.algorithm.Plan(o.job, cur.number)
	}
	if slices.ContainsFunc(cur.shards(), o.states.stays) {
		policy.GiveUp = o.spec.StateDeadline
	}
	if o.measuresDrift(cur.number) && cur.replayed == nil {
		cur.measured = analysis.MeasuredShards(o.job.Seed, cur.number, cur.shards(), o.spec.Drift.Shards)
	}
	cur.grid = localsgd.NewGrid(o.job.Layout(), o.start.block)
	machine, err := round.New(round.Plan{Round: cur.number, Invited: cur.shards(), Policy: policy}, time.Now())
	if err != nil {
		return fmt.Errorf("planning round %d: %w", cur.number, err)
	}
	cur.machine = machine
	o.sum.Reset(cur.grid)
	cur.next = o.block()
	o.sum.Lend(cur.next[:cur.grid.Layout().Size()])
	if o.updates != nil {
		o.updates.reset()
	}
	o.current = cur
	return nil
}

func (o *owner) measuresDrift(number int) bool {
	return o.spec.Drift.Every > 0 && number > 0 && number%o.spec.Drift.Every == 0
}

func (o *owner) measuresRank(number int) bool {
	return o.spec.Rank.Every > 0 && (number%o.spec.Rank.Every == 0 || number == o.spec.Rounds)
}

// replayPlan repeats what a round's record says: exactly its participants, with their weights and steps.
func replayPlan(r *record.Round) localsgd.Plan {
	p := localsgd.Plan{Round: r.Number}
	for i, k := range r.Participants {
		share := localsgd.Share{Shard: k, Weight: localsgd.Weight(r.Weights[i])}
		p.Tasks = append(p.Tasks, localsgd.PlannedTask{Share: share, Steps: r.StepsOf(k)})
	}
	return p
}

func (o *owner) policy() round.Policy {
	p := round.Policy{
		Quorum: o.spec.Close.Quorum, Grace: o.spec.Close.Grace, Deadline: o.spec.Close.Deadline, GiveUp: o.spec.GiveUp,
		TaskLimit: o.spec.TaskLimit,
	}
	if a := o.spec.Close.Adaptive; a.K > 0 {
		p.Deadline, p.Basis = round.Adaptive{K: a.K, Least: a.Observations, Floor: a.Floor}.Deadline(o.times.All())
	}
	if o.chooses() {
		p.Quorum = o.spec.Participation.Size(len(o.job.Shards))
	}
	if o.spec.OnDivergence == spec.Continue {
		p.OnDivergence = round.LeaveOutShard
	}
	return p
}

// takesSums tells whether workers may add up what they have trained. Where a round may close before all have answered, what is
// not pushed is lost: each update goes alone, at once. So it does for a rule that needs them all.
func (o *owner) takesSums() bool {
	all := o.current.replayed != nil || o.spec.Close == spec.Close{} && !o.chooses()
	return all && o.updates == nil
}

// chooses tells whether the first of more participants than needed count; the simulated clock leaves no more than these.
func (o *owner) chooses() bool {
	return o.spec.Participation.Over > 1 && o.spec.Simulate == localsgd.Simulation{}
}

// step gives the machine events and carries out what it says. Between rounds it does nothing.
func (o *owner) step(events ...round.Event) error {
	if o.current == nil || o.current.closed != nil {
		return nil
	}
	for _, a := range o.current.machine.Step(time.Now(), events...) {
		if err := o.act(a); err != nil {
			return err
		}
	}
	o.say("train", false)
	return nil
}

func (o *owner) act(a round.Action) error {
	key := wire.Key{Run: o.run.ID, Round: o.current.number}
	switch a := a.(type) {
	case round.Assign:
		o.tell(a.ID, o.assignment(key, a.Shards))
	case round.Flush:
		o.tell(a.ID, wire.Flush{Key: key})
	case round.Abandon:
		o.log.Debug("abandon", "round", key.Round, "session", a.ID, "shards", a.Shards, "why", a.Why)
		o.tell(a.ID, wire.Abandon{Key: key, Shards: a.Shards})
	case round.Reopened:
		o.log.Warn("tasks go to other workers", "round", key.Round, "shards", a.Shards, "why", a.Why)
	case round.LeftOut:
		o.log.Warn("round goes on without a shard", "round", key.Round, "shard", a.Shard, "why", a.Why)
	case round.Close:
		o.current.closed = &a
		o.times.Observe(a)
	case round.Fail:
		return &failure{o.advise(a.Reason)}
	case round.GiveUp:
		return o.lost(a.Reason)
	default:
		return fmt.Errorf("carrying out %T: unknown action", a)
	}
	return nil
}

// advise adds to the reason of a failed round what can be done about a divergence.
func (o *owner) advise(reason string) string {
	if len(o.current.diverged) == 0 {
		return reason
	}
	return fmt.Sprintf("%s; try a smaller local.optimizer.sgd.lr (now %g), or on_divergence: continue to go on without the shard",
		reason, o.spec.Local.LR())
}

func (o *owner) tell(id round.WorkerID, m wire.ToWorker) {
	if p := o.workers[id]; p != nil {
		o.c.tell(p.session, m)
	}
}

func (o *owner) assignment(key wire.Key, shards []int) wire.Assign {
	a := wire.Assign{Key: key, Start: o.start.hash, Sum: o.takesSums()}
	for _, k := range shards {
		i, _ := o.current.find(k)
		_, measured := slices.BinarySearch(o.current.measured, k)
		a.Tasks = append(a.Tasks, wire.Task{
			Shard: k, Weight: o.current.plan.Tasks[i].Weight, Measured: measured,
			Steps: o.current.plan.Tasks[i].Steps, State: o.states.current[k],
		})
	}
	return a
}
