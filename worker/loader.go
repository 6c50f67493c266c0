package worker

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
	"github.com/fedrelu/fedrelu/worker/store"
)

// loader makes jobs of specs. It keeps the last data set and the last job, so that sessions that come again, and runs on
// the same data, do not load again. Its hand uses it while busy, the agent otherwise.
type loader struct {
	root   string
	served func(shard int) bool
	must   bool // every shard that is served has to be here

	source  spec.Source // of data; zero: nothing is loaded
	data    shard.Data
	studies bool // the test set was looked for
	print   shard.Fingerprint
	own     *workload.Own // where the worker brings its own shards; data.Train is then theirs, print zero
	spec    []byte        // of gear
	gear    *gear

	file   string       // where states of shards are kept
	states *store.Store // nil: no run has needed it yet
	kept   *keptRuns
}

// close closes what was opened.
func (l *loader) close() error {
	if l.states == nil {
		return nil
	}
	return l.states.Close()
}

// has tells whether the spec's job is there already.
func (l *loader) has(spec []byte) bool { return l.gear != nil && bytes.Equal(l.spec, spec) }

// load returns the job of an announced run, after checking that layout and data are those of the coordinator.
func (l *loader) load(m wire.StartRun) error {
	s, err := spec.FromProto(m.Spec)
	if err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	if d, own := s.Data.(spec.Workers); own {
		err = l.loadOwn(d, s.Shards.Count, m.Own)
	} else {
		err = l.loadData(s.Source(), m.Data, s.Studies != spec.Studies{})
	}
	if err != nil {
		return err
	}
	if !l.has(m.Spec) {
		l.spec, l.gear = nil, nil
		job, err := workload.Job(s, l.data)
		if err != nil {
			return fmt.Errorf("building the run's job: %w", err)
		}
		if err := l.openStates(job); err != nil {
			return err
		}
		l.spec, l.gear = m.Spec, newGear(s, job, l.states)
	}
	if l.gear.size > 0 {
		l.kept.add(m.Run)
	}
	if mine := l.gear.job.Net.Layout().Fingerprint(); mine != m.Layout {
		return fmt.Errorf("other network than the run's: the layout's fingerprint is %s here, %s there", mine, m.Layout)
	}
	return nil
}

func (l *loader) openStates(job *localsgd.Job) (err error) {
	if l.states == nil && job.ShardState().Size() > 0 {
		l.states, err = store.Open(l.file)
	}
	return err
}

// loadData makes sure that the data are those of the source and have the wanted fingerprint. If what was loaded earlier
// has another one, the files are read again: they may have been put right. Studies use the test set, too, if it is here.
func (l *loader) loadData(source spec.Source, want shard.Fingerprint, studies bool) error {
	if l.source == source && (l.studies || !studies) {
		err := l.print.Check(want)
		if err == nil || !errors.Is(err, shard.ErrOtherData) {
			return err
		}
	}
	l.drop() // before the new data come: one set at a time
	need := shard.Training
	if studies {
		need |= shard.Testing
	}
	data, err := workload.Load(source, l.root, need)
	if err != nil && studies { // the test set may be missing; if anything else is, it is said now
		data, err = workload.Load(source, l.root, shard.Training)
	}
	if err != nil {
		return fmt.Errorf("loading the run's data: %w", err)
	}
	l.source, l.data, l.print, l.studies = source, data, data.Fingerprint(), studies
	return l.print.Check(want)
}

// drop lets go of all that was loaded.
func (l *loader) drop() {
	*l = loader{root: l.root, served: l.served, must: l.must, file: l.file, states: l.states, kept: l.kept}
}

// loadOwn is loadData for shards that this worker brings: want is what is recorded of them.
func (l *loader) loadOwn(d spec.Workers, count int, want []wire.OwnShard) error {
	source := spec.Source{Data: d}
	if l.own != nil && l.source == source && len(l.data.Train.Given) == count {
		err := checkOwn(l.own, want)
		if err == nil || !errors.Is(err, shard.ErrOtherData) {
			return err
		}
	}
	l.drop()
	own, err := workload.LoadOwn(d, l.root, &workload.Served{Count: count, Has: l.served, Must: l.must})
	if err != nil {
		return fmt.Errorf("loading this worker's shards: %w", err)
	}
	l.source, l.data, l.own = source, shard.Data{Train: own.Train}, own
	return checkOwn(own, want)
}

// checkOwn compares the shards that are here with what is recorded of them.
func checkOwn(own *workload.Own, want []wire.OwnShard) error {
	for _, w := range want {
		part, here := own.Parts[w.Shard]
		if !here {
			continue // somebody else may have it
		}
		if err := part.Check(w.Part); err != nil {
			return fmt.Errorf("shard %d is not what the run began with: %w", w.Shard, err)
		}
	}
	return nil
}
