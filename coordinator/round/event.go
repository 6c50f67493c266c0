package round

// WorkerID names one session of a worker; a worker that comes back has a new one.
type WorkerID uint64

// Worker is a session that is ready for the run.
type Worker struct {
	ID WorkerID
	// Name is the same after a reconnection; at most one live session has it.
	Name string
	// Slots is how many tasks it computes at once; less than 1 counts as 1.
	Slots  int
	Serves ShardSet
}

// Event is something that happened to the round; the types of this file are all there are. Messages of the past are
// normal: an event of a session that is not live changes nothing, except Answered and Diverged, which are facts about a
// shard wherever they come from; and what a live session reports about a shard that is not its own makes it abandon that.
type Event interface{ apply(m *Machine) }

// Joined reports a worker that holds the run's data and takes tasks from now on. A repeated one is ignored.
type Joined struct{ Worker Worker }

// Lost reports that a session has ended: no heartbeat, closed, fenced off, or leaving in good order.
type Lost struct {
	ID  WorkerID
	Why string
}

// Trained reports tasks whose results now wait at the worker, each for itself.
type Trained struct {
	ID     WorkerID
	Shards []int
}

// Holds reports one result of this very round and start model that a worker brings from an earlier session: the update
// of a shard, or a sum over Shards, which counts only whole. It becomes trained by this worker unless one of its shards
// is answered or already trained elsewhere. Put it into the step of Joined, lest the shards be assigned before.
type Holds struct {
	ID     WorkerID
	Shards []int
}

// Answered reports that the coordinator has counted a push that Accepts accepted. It holds even if the session is gone.
type Answered struct {
	ID     WorkerID
	Shards []int
}

// Refused reports a push whose bytes contradict their checksum, shape or start, or a task that ended with an error.
type Refused struct {
	ID     WorkerID
	Shards []int
	Why    string
}

// Dropped reports that a worker no longer has these tasks or results, without fault: for example the rest of a sum of
// which one shard was answered by another. They are open again, for this worker too.
type Dropped struct {
	ID     WorkerID
	Shards []int
	Why    string
}

// Diverged reports a task that ended with NaN, Inf or out of range, at a local step (from 1).
type Diverged struct {
	ID     WorkerID
	Shard  int
	Step   int
	Detail string
}

// Tick reports nothing but the time.
type Tick struct{}

func (Tick) apply(*Machine) {}
