package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

var (
	// ErrCannot says that a run cannot be replayed here: by this build, with these data, or from what is left of its record.
	ErrCannot = errors.New("cannot be replayed")
	// ErrDifferent is matched by every *Difference.
	ErrDifferent = errors.New("not what is recorded")
)

// Difference says where a replay gives something else than the record has.
type Difference struct {
	Round              int
	What               string // as the record's JSON calls it, with the shard where it is about one
	Recorded, Replayed string
}

// Error says what differs.
func (d *Difference) Error() string {
	return fmt.Sprintf("round %d is %v: its %s is %s, recorded is %s", d.Round, ErrDifferent, d.What, d.Replayed, d.Recorded)
}

// Is makes errors.Is(err, ErrDifferent) true.
func (d *Difference) Is(target error) bool { return target == ErrDifferent }

// Replay is a run on its way through its rounds. One goroutine uses it.
type Replay struct {
	job       *localsgd.Job
	algorithm localsgd.Algorithm
	runner    *localsgd.Runner
	async     *asyncReplay // instead of the runner, for an asynchronous rule; nil otherwise
	block     []float32    // of what is stored after the last round; nil before round 0
	next      []float32
	last      record.Round
	start     []float32 // of round 0
}

// Given reads the start model that was submitted with a run into a block of the network's size.
type Given func(block []float32) error

// Open makes a run ready to be replayed: it loads the data that its spec names, relative paths taken from folder, and builds
// the job. given is asked only if the run was submitted with a start model. Errors wrap ErrCannot or are those of the data.
func Open(run record.Run, folder string, given Given) (*Replay, error) {
	if run.Numerics != localsgd.Numerics {
		return nil, fmt.Errorf("run %s %w: it was computed with numerics version %d, this build has %d", run.ID, ErrCannot, run.Numerics, localsgd.Numerics)
	}
	s, err := spec.FromProto(run.Spec)
	if err != nil {
		return nil, fmt.Errorf("reading the spec of run %s: %w", run.ID, err)
	}
	data, err := workload.Load(s.Source(), folder, shard.Training)
	if err != nil {
		return nil, err
	}
	if err := shard.Fingerprint(run.Data).Check(data.Fingerprint()); err != nil {
		return nil, fmt.Errorf("run %s %w: %w", run.ID, ErrCannot, err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		return nil, err
	}
	r := &Replay{job: job, algorithm: workload.Algorithm(s)}
	if err := r.begin(run, given); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Replay) begin(run record.Run, given Given) error {
	layout := r.job.Net.Layout()
	if got := layout.Fingerprint(); !run.Layout.IsZero() && got != run.Layout {
		return fmt.Errorf("run %s %w: the network's layout is %s, recorded is %s", run.ID, ErrCannot, got, run.Layout)
	}
	r.runner = &localsgd.Runner{Job: r.job, Algorithm: r.algorithm}
	r.async = newAsyncReplay(r.job, r.algorithm)
	r.start = r.algorithm.Start(r.job)
	if !run.StartGiven {
		return nil
	}
	if err := given(r.start[:layout.Size()]); err != nil {
		return fmt.Errorf("run %s %w: its start model: %w", run.ID, ErrCannot, err)
	}
	return nil
}

// Round computes the next round and compares it with its record; the first one is round 0, the start model. It returns a
// *Difference where they are not the same, and an error that wraps ErrCannot for a record that is not the next round's.
func (r *Replay) Round(ctx context.Context, rec record.Round) error {
	if r.block == nil {
		return r.zero(rec)
	}
	if rec.Number != r.last.Number+1 {
		return fmt.Errorf("round %d %w: its entry is missing or damaged", r.last.Number+1, ErrCannot)
	}
	if r.async != nil {
		return r.asyncRound(ctx, rec)
	}
	plan, err := r.plan(rec)
	if err != nil {
		return err
	}
	for _, k := range rec.FreshStates {
		r.runner.LoseShardState(k)
	}
	facts, err := r.runner.CarryPart(ctx, plan, rec.Participants, r.block, r.next)
	if err != nil {
		return r.failed(rec, err)
	}
	if err := r.compare(rec, facts); err != nil {
		return err
	}
	r.block, r.next, r.last = r.next, r.block, rec
	return nil
}

func (r *Replay) zero(rec record.Round) error {
	if rec.Number != 0 {
		return fmt.Errorf("round 0 %w: its entry is missing or damaged", ErrCannot)
	}
	if err := r.compareBlocks(rec, r.start); err != nil {
		return err
	}
	r.block, r.last = r.start, rec
	if r.async != nil {
		return r.async.runner.Resume(localsgd.AsyncState{Block: r.start})
	}
	r.next = make([]float32, len(r.start))
	return nil
}

// failed says of a round that could not be made whether that contradicts the record.
func (r *Replay) failed(rec record.Round, err error) error {
	var diverged *localsgd.DivergedError
	switch {
	case errors.As(err, &diverged):
		return &Difference{rec.Number, fmt.Sprintf("update of shard %d", diverged.Shard), "one that counts", "none: " + diverged.Error()}
	case errors.Is(err, localsgd.ErrRange):
		return &Difference{rec.Number, "model_sha256", rec.Model.String(), "none: " + err.Error()}
	}
	return fmt.Errorf("replaying round %d: %w", rec.Number, err)
}
