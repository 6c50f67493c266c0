package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

const submitLong = `Send a spec to a coordinator, which queues it, and print the id of the run alone on a line once the run is durable.
Relative data paths stay as they are: every process takes them from its own --data. A model that the spec starts from
(model.init.file) is read here, relative to the spec file, and sent along: the coordinator keeps it with the run.

With --wait the run is followed to its end, which gives the exit code.`

// submitOptions are the flags of submit.
type submitOptions struct {
	coordinator  string
	set          []string
	wait, asJSON bool
}

// submitted is the document of `submit --json`; with --wait it is that of `run --json`.
type submitted struct {
	Run string `json:"run"`
}

func newSubmit(a *app) *cobra.Command {
	var o submitOptions
	cmd := &cobra.Command{
		Use:   "submit SPEC --coordinator ADDRESS",
		Short: "Queue a run at a coordinator",
		Long:  submitLong,
		Example: `  fedrelu submit examples/cluster.yaml --coordinator localhost:7070
  fedrelu submit examples/cluster.yaml --coordinator localhost:7070 --set seed=2 --wait`,
		Args: exactly("SPEC"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.submit(cmd.Context(), a, args[0]) },
	}
	coordinatorFlag(cmd, &o.coordinator)
	cmd.Flags().BoolVar(&o.wait, "wait", false, "follow the run to its end")
	specFlags(cmd, &o.set)
	jsonFlag(cmd, &o.asJSON)
	return cmd
}

func (o *submitOptions) submit(ctx context.Context, a *app, path string) error {
	s, err := readSpec(path, o.set)
	if err != nil {
		return err
	}
	if err := s.CheckRemote(); err != nil {
		return err
	}
	client, err := control.Dial(o.coordinator)
	if err != nil {
		return err
	}
	defer client.Close()
	a.warn(s)
	id, err := o.send(ctx, client, s, filepath.Dir(path))
	if err != nil {
		return err
	}
	switch {
	case !o.asJSON:
		fmt.Fprintln(a.stdout, id)
	case !o.wait:
		return view.WriteJSON(a.stdout, submitted{id})
	}
	if !o.wait {
		return nil
	}
	return o.follow(ctx, a, client, id)
}

// send submits the spec, with the model that it starts from where it names one, relative to the spec's folder.
func (o *submitOptions) send(ctx context.Context, client *control.Client, s *spec.Spec, folder string) (string, error) {
	submit := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return client.Submit(ctx, s.Proto())
	}
	if file := s.Model.File; file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(folder, file)
		}
		m, err := workload.OpenStart(file)
		if err != nil {
			return "", &codeError{exitUsage, err}
		}
		defer m.Close()
		submit = func() (string, error) { // takes as long as the model does
			return client.SubmitFrom(ctx, s.Proto(), wire.Start{Model: m.Hash, Tensors: m.Tensors}, m.Copy)
		}
	}
	id, err := submit()
	if errors.Is(err, control.ErrInvalid) {
		err = &codeError{exitUsage, err}
	}
	return id, err
}

func (o *submitOptions) follow(ctx context.Context, a *app, client *control.Client, id string) error {
	story, err := follow(ctx, a, client, id)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = view.WriteJSON(a.stdout, story.Result(0))
	} else {
		err = story.WriteSummary(a.stdout)
	}
	if err != nil {
		return err
	}
	return outcome(story.Run, fmt.Sprintf("fedrelu runs resume %s --coordinator %s", id, o.coordinator))
}
