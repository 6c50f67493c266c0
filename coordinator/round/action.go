package round

import (
	"fmt"
	"strings"
	"time"
)

// Action is something that the owner has to do or to note; the types of this file are all there are. Their order within
// a step is part of the result. String gives one line.
type Action interface {
	fmt.Stringer
	action()
}

// Assign sends tasks to a worker, to be trained in this order (ascending).
type Assign struct {
	ID     WorkerID
	Shards []int
}

// Flush tells a worker to push every result that it holds now, without waiting for more to sum. Results trained later need
// another Flush; what comes while a push is under way may go together in the next one.
type Flush struct {
	ID  WorkerID
	Why string
}

// Abandon tells a worker to forget tasks or results: nobody wants them from it. A sum that contains an abandoned shard is
// void; its worker reports the other shards of it as Dropped, unless it can make their sum anew.
type Abandon struct {
	ID     WorkerID
	Shards []int
	Why    string
}

// Reopened notes that shards have to be tried again; their Assign follows as soon as there is capacity.
type Reopened struct {
	Shards []int
	Why    string
}

// LeftOut notes that a shard diverged and the round goes on without it.
type LeftOut struct {
	Shard int
	Why   string
}

// Cause is what closed a round.
type Cause int

const (
	// ByAll means that every shard answered that did not diverge.
	ByAll Cause = iota
	// ByQuorum means that enough shards answered and the grace was over.
	ByQuorum
	// ByDeadline means that the deadline was over.
	ByDeadline
)

// String returns the word for the record: all, quorum or deadline.
func (c Cause) String() string {
	switch c {
	case ByAll:
		return "all"
	case ByQuorum:
		return "quorum"
	case ByDeadline:
		return "deadline"
	}
	return fmt.Sprintf("Cause(%d)", int(c))
}

// Close ends the round as a success with at least one answer.
type Close struct {
	Cause  Cause
	Reason string
	// Answered and Missing together are the invited shards; all lists are ascending.
	Answered, Missing []int
	// Diverged is the part of Missing that was left out.
	Diverged []int
	// Absent says of all that are missing why.
	Absent []Absence
	// Took is how long the shards took that did not diverge, in their order: see Times.
	Took []time.Duration
}

// Absence says why shards are missing from a round; shards are ascending.
type Absence struct {
	Shards []int
	Why    string
}

// Fail ends the round and the run: it cannot succeed.
type Fail struct{ Reason string }

// GiveUp ends the round; the run stops and can go on later.
type GiveUp struct{ Reason string }

func (Assign) action()   {}
func (Flush) action()    {}
func (Abandon) action()  {}
func (Reopened) action() {}
func (LeftOut) action()  {}
func (Close) action()    {}
func (Fail) action()     {}
func (GiveUp) action()   {}

func (a Assign) String() string { return fmt.Sprintf("assign to %d: %s", a.ID, counted(a.Shards)) }
func (a Flush) String() string  { return fmt.Sprintf("flush %d: %s", a.ID, a.Why) }
func (a Abandon) String() string {
	return fmt.Sprintf("abandon at %d: %s: %s", a.ID, counted(a.Shards), a.Why)
}
func (a Reopened) String() string { return fmt.Sprintf("reopened: %s: %s", counted(a.Shards), a.Why) }
func (a LeftOut) String() string  { return fmt.Sprintf("left out: shard %d: %s", a.Shard, a.Why) }
func (a Fail) String() string     { return "fail: " + a.Reason }
func (a GiveUp) String() string   { return "give up: " + a.Reason }

// String returns the reason and the lists: who has answered, and if somebody is missing who and why.
func (a Close) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "close by %s: %s; answered %s", a.Cause, a.Reason, inWords(a.Answered))
	for _, absence := range a.Absent {
		fmt.Fprintf(&b, "; missing %s: %s", inWords(absence.Shards), absence.Why)
	}
	return b.String()
}
