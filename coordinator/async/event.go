package async

import "github.com/fedrelu/fedrelu/coordinator/round"

// Event is something that happened to the run; the types of this file are all there are. An event of a session that is not
// live changes nothing, except Answered and Diverged, which are facts about a task wherever they come from.
type Event interface{ apply(m *Machine) }

// Opened reports that the model of the round before exists, so that the round is open. Candidates are the tasks that may
// begin in it, in the order in which they shall: all shards from the newest model, or with Only the recorded tasks of a round
// that is made again, and then no others count.
type Opened struct {
	Round      int
	Candidates []Task
	Only       bool
	// Counted are tasks that counted in earlier rounds, of another sitting of the run, and could come again.
	Counted []Task
}

// Joined reports a worker that holds the run's data and takes tasks from now on. A repeated one is ignored.
type Joined struct{ Worker round.Worker }

// Lost reports that a session has ended.
type Lost struct {
	ID  round.WorkerID
	Why string
}

// Holds reports the result of a task that a worker brings from an earlier session. Put it into the step of Joined, lest the
// shard be begun anew before.
type Holds struct {
	ID   round.WorkerID
	Task Task
}

// Trained reports a task whose result now waits at the worker.
type Trained struct {
	ID   round.WorkerID
	Task Task
}

// Answered reports that the coordinator has counted an update that Accepts accepted. It holds even if the session is gone.
type Answered struct {
	ID   round.WorkerID
	Task Task
}

// Refused reports a push whose bytes are not what they should be, or a task that ended with an error.
type Refused struct {
	ID   round.WorkerID
	Task Task
	Why  string
}

// Dropped reports that a worker no longer has the task or its result, without fault.
type Dropped struct {
	ID   round.WorkerID
	Task Task
	Why  string
}

// Diverged reports a task that ended with NaN, Inf or out of range, at a local step (from 1).
type Diverged struct {
	ID     round.WorkerID
	Task   Task
	Step   int
	Detail string
}

// Tick reports nothing but the time.
type Tick struct{}

func (Tick) apply(*Machine) {}
