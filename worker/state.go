package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker/store"
)

// statesName is the file with the states of shards in a worker's directory.
const statesName = "states.db"

// errSessionOver says that a task ended with the session: it will be handed out again.
var errSessionOver = errors.New("the session is over")

// stateRoom is a slot's memory for the state of a shard before and after a task.
type stateRoom struct{ old, next []float32 }

func (r *stateRoom) fit(size int) {
	if len(r.old) != size {
		r.old, r.next = make([]float32, size), make([]float32, size)
	}
}

// work makes the task, from the shard's state to a new one that is on disk before anybody hears of it. It runs on the hand.
func (at *attempt) work(ctx context.Context, source stateSource) (localsgd.Facts, error) {
	gear, s := at.gear, at.slot
	b := localsgd.Blocks{Start: at.start.block, End: at.end}
	if gear.size > 0 {
		s.room.fit(gear.size)
		b.Next = s.room.next
	}
	if !at.State.IsZero() {
		if err := source.read(ctx, gear, store.Version{Shard: at.Shard, Hash: at.State}, s.room.old); err != nil {
			return localsgd.Facts{}, err
		}
		b.State = s.room.old
	}
	task := localsgd.Task{Round: at.round.Round, Shard: at.Shard, Steps: at.Steps}
	facts, err := s.use(gear.job).Train(ctx, task, at.start.grid, b)
	if err != nil || b.Next == nil {
		return facts, err
	}
	if at.made, err = gear.states.Put(at.round.Run, at.Shard, b.Next); err != nil {
		return facts, err
	}
	// What came before the state that this task began with is not asked for any more: the coordinator's reference moved on.
	return facts, gear.states.Forget(at.round.Run, at.Shard, at.State, at.made)
}

// stateSource is where the states of a run's shards come from.
type stateSource struct {
	run  string
	link *link
	wait Backoff
}

// read brings a shard's state, from this worker's disk or, where states travel, from the coordinator.
func (src stateSource) read(ctx context.Context, gear *gear, v store.Version, dst []float32) error {
	w := &blockWriter{rest: dst, hash: sha256.New()}
	err := gear.states.Copy(w, src.run, v)
	if err == nil && len(w.rest) > 0 {
		err = fmt.Errorf("%w: it is of another size", store.ErrNoState)
	}
	if err == nil || !gear.travels || src.link == nil {
		return err
	}
	fetching, stop := context.WithCancel(src.link.ctx)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	want := wire.Fetch{Session: src.link.session, Run: src.run, Model: v.Hash}
	err = src.link.obtainBlock(fetching, want, dst, src.wait)
	if err != nil && src.link.over() {
		return fmt.Errorf("%w: %w", errSessionOver, err)
	}
	return err
}

// held lists the states that lie here.
func (g *gear) held(run string, log *slog.Logger) (states []wire.ShardState) {
	versions, err := g.states.Versions(run)
	if err != nil {
		log.Warn("states of shards cannot be listed", "run", run, "why", err)
	}
	for _, v := range versions {
		states = append(states, wire.ShardState{Shard: v.Shard, Hash: v.Hash})
	}
	return states
}

// stateBytes returns the size of the states that go with a push of so many tasks.
func (g *gear) stateBytes(tasks int) int64 {
	if !g.travels {
		return 0
	}
	return int64(tasks) * 4 * int64(g.size)
}

// writeStates writes the states that the result's tasks made, where they travel.
func (res *result) writeStates(w io.Writer) error {
	if res.gear.size == 0 || !res.gear.travels {
		return nil
	}
	for _, t := range res.tasks {
		if err := res.gear.states.Copy(w, res.round.Run, store.Version{Shard: t.Shard, Hash: t.State}); err != nil {
			return err
		}
	}
	return nil
}

// forget removes the states of runs that are over.
func (l *loader) forget(runs []string) {
	if l.states == nil {
		return // there is no file
	}
	for _, run := range runs {
		if l.states.ForgetRun(run) == nil { // otherwise it costs room until the next session, which is told again
			l.kept.remove(run)
		}
	}
}

// openKept opens the file of states, if there is one, and lists the runs that have some.
func (l *loader) openKept() error {
	if _, err := os.Stat(l.file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var err error
	if l.states, err = store.Open(l.file); err != nil {
		return err
	}
	runs, err := l.states.Runs()
	for _, run := range runs {
		l.kept.add(run)
	}
	return err
}

// keptRuns are the runs of which states lie here. Sessions read them while the loader's hand changes them.
type keptRuns struct {
	mu   sync.Mutex
	runs []string
}

func (k *keptRuns) add(run string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.runs, run) {
		k.runs = append(k.runs, run)
	}
}

func (k *keptRuns) remove(run string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs = slices.DeleteFunc(k.runs, func(one string) bool { return one == run })
}

// list returns the runs, as many of them, the oldest first, as a Hello may have.
func (k *keptRuns) list() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.runs[:min(len(k.runs), wire.MaxKept)])
}

// makesState tells whether a hash fits a gear: a state where shards have them, and none otherwise.
func (g *gear) makesState(h tensor.Hash) bool { return h.IsZero() || g.size > 0 }
