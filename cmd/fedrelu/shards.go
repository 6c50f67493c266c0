package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

func newShards(a *app) *cobra.Command {
	var set []string
	var asJSON bool
	var output string
	cmd := &cobra.Command{
		Use:   "shards SPEC",
		Short: "Print the label counts of a spec's shards and how unlike they are",
		Long: `Split the training set of a spec into its shards, as a run would, and count the labels in each: a table, one JSON document
with --json, and with -o a drawing as well. Below the table stand the spread of the sizes, the mean entropy of a shard's
labels in nats, and the mean total variation of a shard's labels from those of all shards together (0: alike). Of shards
that workers bring, those that lie here are counted.`,
		Example: `  fedrelu shards examples/mnist-noniid.yaml
  fedrelu shards examples/mnist-noniid.yaml -o shards.svg
  fedrelu shards examples/mnist.yaml --set 'shards.partition={dirichlet: {alpha: 0.3}}' --json`,
		Args: exactly("SPEC"),
		RunE: func(_ *cobra.Command, args []string) error {
			if output != "" && filepath.Ext(output) != ".svg" {
				return &codeError{exitUsage, fmt.Errorf("-o %s: want a name that ends in .svg", output)}
			}
			document, err := splitShards(args[0], set)
			if err != nil {
				return err
			}
			if output != "" {
				if err := os.WriteFile(output, document.Figure("Shards of "+filepath.Base(args[0])), 0o644); err != nil {
					return fmt.Errorf("drawing the shards: %w", err)
				}
			}
			if asJSON {
				return view.WriteJSON(a.stdout, document)
			}
			return document.WriteTable(a.stdout)
		},
	}
	specFlags(cmd, &set)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVarP(&output, "output", "o", "", "draw the shards in this `FILE.svg`")
	return cmd
}

func splitShards(path string, set []string) (view.Shards, error) {
	s, err := localSpec(path, set)
	if err != nil {
		return view.Shards{}, err
	}
	name := s.Shards.Partition.String()
	train, err := trainingLabels(s)
	if err != nil {
		return view.Shards{}, &codeError{exitUsage, err}
	}
	shards, err := workload.Split(s, train)
	if err != nil {
		return view.Shards{}, &codeError{exitUsage, err}
	}
	if _, own := s.Data.(spec.Workers); own {
		name = "workers"
	}
	return view.NewShards(name, shards, train.Labels, train.Classes), nil
}

// trainingLabels loads what shards are made of. Of those that workers bring it takes what is here.
func trainingLabels(s *spec.Spec) (*shard.Set, error) {
	if d, own := s.Data.(spec.Workers); own {
		o, err := workload.LoadOwn(d, "", &workload.Served{Count: s.Shards.Count, Has: func(int) bool { return true }})
		if err != nil {
			return nil, err
		}
		return o.Train, nil
	}
	data, err := workload.Load(s.Source(), "", shard.TrainY)
	return data.Train, err
}
