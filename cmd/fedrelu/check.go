package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/selfcheck"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

func newCheck(a *app) *cobra.Command {
	var set []string
	var folder string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check SPEC",
		Short: "Measure on a spec what must hold for every one",
		Long: `Print a spec with all defaults filled in, and measure on its network, data, partition and rule what must hold for every run:
the gradient is that of the loss (finite differences), one step on every shard is one on the joined data, one shard is plain
training, the mean keeps what it averages and knows no order, nothing moves with learning rate 0, a resumed run is the run,
and kernels, goroutines and parallel tasks change no bit. Each has the exactness that it asks for, what was measured, and a
verdict: holds, fails, or not applicable with the reason.

It trains in this process, on a few shards and examples of the spec and for a few rounds, drawn by its seed, so that it ends
in seconds; what was cut down is printed. The exit code is 1 if a property fails.`,
		Example: `  fedrelu check examples/mnist.yaml
  fedrelu check examples/mnist.yaml --set 'server={scaffold: {}}' --set local.epochs=5
  fedrelu check spec.yaml --data /srv/data --json`,
		Args: exactly("SPEC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, results, cut, err := checkProperties(cmd.Context(), specPlace{args[0], folder}, set)
			if err != nil {
				return err
			}
			document := view.NewCheck(s, cut, results)
			if asJSON {
				err = view.WriteJSON(a.stdout, document)
			} else {
				err = document.WriteTable(a.stdout)
			}
			if err == nil && document.Failed > 0 {
				return &codeError{exitFailed, fmt.Errorf("%d of %d properties fail", document.Failed, len(results))}
			}
			return err
		},
	}
	specFlags(cmd, &set)
	cmd.Flags().StringVar(&folder, "data", "", "`DIR` from which paths of data are taken; default: the spec file's")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// specPlace is a spec file, and the folder of its data if that is another one.
type specPlace struct{ path, data string }

// checkProperties returns the spec as it was written, and what selfcheck says about it.
func checkProperties(ctx context.Context, place specPlace, set []string) (*spec.Spec, []selfcheck.Result, []string, error) {
	written, err := readSpec(place.path, set)
	if err != nil {
		return nil, nil, nil, err
	}
	job, algorithm, err := placedJob(written, place)
	if err != nil {
		return nil, nil, nil, &codeError{exitUsage, err}
	}
	subject, err := selfcheck.Cut(job, algorithm)
	if err != nil {
		return nil, nil, nil, err
	}
	results, err := selfcheck.Check(ctx, subject)
	return written, results, subject.Cut, err
}

// placedJob loads the data of a spec and builds its job, start model included.
func placedJob(written *spec.Spec, place specPlace) (*localsgd.Job, localsgd.Algorithm, error) {
	s := *written
	source := s.Source()
	if place.data != "" {
		source = source.Under(place.data)
	}
	s.Under(filepath.Dir(place.path)) // for the start model; data keep their folder if they have one
	if place.data == "" {
		source = s.Source()
	}
	data, err := workload.Load(source, "", shard.All)
	if err != nil {
		return nil, localsgd.Algorithm{}, err
	}
	job, err := workload.Job(&s, data)
	if err != nil {
		return nil, localsgd.Algorithm{}, err
	}
	if s.Model.File != "" {
		job.Given = make([]float32, job.Net.Parameters())
		if err := workload.ReadStart(s.Model.File, job.Net.Layout(), job.Given); err != nil {
			return nil, localsgd.Algorithm{}, err
		}
	}
	return job, workload.Algorithm(&s), nil
}
