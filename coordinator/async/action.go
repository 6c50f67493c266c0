package async

import (
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

// Action is something that the owner has to do or to note; the types of this file are all there are. String gives one line.
type Action interface {
	fmt.Stringer
	action()
}

// Assign sends tasks of one version to a worker, ascending by shard.
type Assign struct {
	ID      round.WorkerID
	Version int
	Shards  []int
}

// Expect tells a worker to push a result that it has brought from an earlier session.
type Expect struct {
	ID   round.WorkerID
	Task Task
}

// Abandon tells a worker to forget a task or its result: nobody wants it from it.
type Abandon struct {
	ID   round.WorkerID
	Task Task
	Why  string
}

// Freed notes that a task is lost, so that its shard can begin another.
type Freed struct {
	Task Task
	Why  string
}

// Discarded notes that a task has become too old to count.
type Discarded struct {
	Task Task
	Why  string
}

// LeftOut notes that a task diverged and the run goes on without it.
type LeftOut struct {
	Task   Task
	Step   int
	Detail string
}

// Close says that the open round has all its updates.
type Close struct {
	Round     int
	Counted   []Task // in the order in which they were counted
	Discarded []Discarded
	Reason    string
}

// Fail ends the run: it cannot succeed.
type Fail struct{ Reason string }

// GiveUp ends the machine; the run stops and can go on later.
type GiveUp struct{ Reason string }

func (Assign) action()    {}
func (Expect) action()    {}
func (Abandon) action()   {}
func (Freed) action()     {}
func (Discarded) action() {}
func (LeftOut) action()   {}
func (Close) action()     {}
func (Fail) action()      {}
func (GiveUp) action()    {}

func (a Assign) String() string {
	return fmt.Sprintf("assign to %d from round %d: %s", a.ID, a.Version, strings.Trim(fmt.Sprint(a.Shards), "[]"))
}
func (a Expect) String() string    { return fmt.Sprintf("expect from %d: %v", a.ID, a.Task) }
func (a Abandon) String() string   { return fmt.Sprintf("abandon at %d: %v: %s", a.ID, a.Task, a.Why) }
func (a Freed) String() string     { return fmt.Sprintf("freed: %v: %s", a.Task, a.Why) }
func (a Discarded) String() string { return fmt.Sprintf("discarded: %v: %s", a.Task, a.Why) }
func (a LeftOut) String() string {
	return fmt.Sprintf("left out: %v: diverged at local step %d: %s", a.Task, a.Step, a.Detail)
}
func (a Fail) String() string   { return "fail: " + a.Reason }
func (a GiveUp) String() string { return "give up: " + a.Reason }

// String lists what counted and what was discarded.
func (a Close) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "close round %d: %s:", a.Round, a.Reason)
	for _, t := range a.Counted {
		fmt.Fprintf(&b, " %d@%d", t.Shard, t.Version)
	}
	for _, d := range a.Discarded {
		fmt.Fprintf(&b, "; without %d@%d", d.Task.Shard, d.Task.Version)
	}
	return b.String()
}
