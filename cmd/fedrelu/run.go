package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/offline"
	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/spec"
)

const runLong = `Run a spec on this machine: a coordinator in this process and worker processes beside it, on loopback, the same way
as over many machines. Everything is kept in the store of --dir; whatever is stopped or killed goes on with --resume, to
the same bits. Paths in the spec are relative to its file.

On a terminal one live line shows where the run is; a pipe gets one line a round. Both go to stderr.
Ctrl-C stops between two steps, a second one at once.`

// runOptions are the flags of run.
type runOptions struct {
	spec, resume, dir string
	set               []string
	workers           int
	asJSON            bool
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run SPEC",
		Short: "Run a spec on this machine, with worker processes",
		Long:  runLong,
		Example: `  fedrelu run examples/mnist.yaml
  fedrelu run examples/mnist.yaml --workers 4 --set seed=7 --json
  fedrelu run --resume mnist-2nn`,
		Args: func(cmd *cobra.Command, args []string) error { return o.check(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	cmd.Flags().IntVar(&o.workers, "workers", 0, "worker processes `N` (default: one for each processor, at most one for each participant)")
	cmd.Flags().StringVar(&o.dir, "dir", "./"+defaultDir, "`directory` of the store")
	cmd.Flags().StringVar(&o.resume, "resume", "", "go on with a stopped `RUN` of --dir")
	specFlags(cmd, &o.set)
	jsonFlag(cmd, &o.asJSON)
	return cmd
}

// maxWorkers bounds --workers.
const maxWorkers = 1024

func (o *runOptions) check(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("workers") && (o.workers < 1 || o.workers > maxWorkers) {
		return fmt.Errorf("--workers %d: want 1 to %d", o.workers, maxWorkers)
	}
	if !cmd.Flags().Changed("resume") {
		if err := exactly("SPEC")(cmd, args); err != nil {
			return err
		}
		o.spec = args[0]
		return nil
	}
	switch {
	case len(args) > 0:
		return errors.New("--resume goes on with the spec that the run began with: give either a SPEC or --resume RUN")
	case len(o.set) > 0:
		return errors.New("--set cannot change the spec of a run that has begun: leave it out, or start a new run")
	}
	return nil
}

// run is the whole command.
func (o *runOptions) run(ctx context.Context, a *app) error {
	w := newWatcher(a.console)
	s, err := o.load(ctx, w)
	if err != nil {
		return err
	}
	if err := checkWorkload(s); err != nil {
		return err
	}
	a.warn(s)
	run, err := o.execute(ctx, a, s, w)
	if err != nil {
		return err
	}
	if err := errors.Join(o.print(a, w), o.violations(a, run.ID)); err != nil {
		return err
	}
	return outcome(run, fmt.Sprintf("fedrelu run --resume %s%s", run.ID, o.dirFlag()))
}

// load returns the spec to be run. Of a run that goes on, w hears the past.
func (o *runOptions) load(ctx context.Context, w *watcher) (*spec.Spec, error) {
	if o.resume == "" {
		return localSpec(o.spec, o.set)
	}
	place, err := offline.Open(o.dir)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	if err := place.Follow(ctx, o.resume, 0, false, w.quietly); err != nil {
		return nil, err
	}
	run := w.story.Run
	if run.Status != record.Stopped && run.Status != record.Queued {
		return nil, fmt.Errorf("run %s is %v and cannot go on", run.ID, run.Status)
	}
	return spec.FromProto(run.Spec)
}

// execute runs a cluster until the run has ended one way or another, and returns the run as it then is.
func (o *runOptions) execute(ctx context.Context, a *app, s *spec.Spec, w *watcher) (record.Run, error) {
	cluster, err := startCluster(a, o.dir, o.count(s))
	if err != nil {
		return record.Run{}, err
	}
	id, err := o.queue(cluster.engine, s, w)
	if err != nil {
		return record.Run{}, errors.Join(err, cluster.stop())
	}
	a.console.Printf("%s", o.opening(id, s))
	ctx, restore := interruptible(ctx, func() { a.console.Printf("stopping cleanly; once more to stop at once") })
	defer restore()
	stopWhenDone := context.AfterFunc(ctx, cluster.interrupt)
	defer stopWhenDone()
	w.begin()
	err = cluster.engine.follow(id, w.story.Next, w.show)
	stopErr := cluster.stop()
	if !w.ended() && stopErr == nil {
		err = o.catchUp(id, w)
	}
	return w.end().Run, errors.Join(err, stopErr, cluster.failure())
}

// catchUp reads from the store what the coordinator could not tell any more.
func (o *runOptions) catchUp(id string, w *watcher) error {
	place, err := offline.Open(o.dir)
	if err != nil {
		return err
	}
	defer place.Close()
	return place.Follow(context.Background(), id, w.story.Next, false, w.show)
}

// violations says loudly, on stderr, if a certificate of the run was broken.
func (o *runOptions) violations(a *app, id string) error {
	place, err := offline.Open(o.dir)
	if err != nil {
		return err
	}
	defer place.Close()
	run, rounds, err := readRun(context.Background(), place, id)
	if err != nil {
		return err
	}
	return view.WriteViolations(a.console, run, rounds)
}

func (o *runOptions) queue(e *engine, s *spec.Spec, w *watcher) (string, error) {
	if o.resume == "" {
		return e.submit(s)
	}
	id := w.story.Run.ID
	return id, e.resume(id)
}

// count is the number of worker processes: more than participants or processors would only wait.
func (o *runOptions) count(s *spec.Spec) int {
	if o.workers > 0 {
		return o.workers
	}
	return min(runtime.GOMAXPROCS(0), s.Participation.Size(s.Shards.Count))
}

func (o *runOptions) opening(id string, s *spec.Spec) string {
	name := id
	if s.Name != "" {
		name += "  " + s.Name
	}
	verb := "run"
	if o.resume != "" {
		verb = "going on with run"
	}
	return fmt.Sprintf("%s %s: up to %d rounds of %d of %d shards\nseed %d, worker processes: %d, store: %s",
		verb, name, s.Rounds, s.Participation.Size(s.Shards.Count), s.Shards.Count, s.Seed, o.count(s), o.dir)
}

func (o *runOptions) dirFlag() string {
	if o.dir == "./"+defaultDir {
		return ""
	}
	return " --dir " + o.dir
}

func (o *runOptions) print(a *app, w *watcher) error {
	if o.asJSON {
		return view.WriteJSON(a.stdout, w.story.Result(peakRSS()))
	}
	return w.story.WriteSummary(a.stdout)
}
