package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func newShards(a *app) *cobra.Command {
	var set []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "shards SPEC",
		Short: "Print the label counts of a spec's shards and how unlike they are",
		Long:  "Split the training set of a spec into its shards, as a run would, and count the labels in each.",
		Example: `  fedrelu shards examples/mnist-noniid.yaml
  fedrelu shards examples/mnist.yaml --set 'shards.partition={dirichlet: {alpha: 0.3}}' --json`,
		Args: exactly("SPEC"),
		RunE: func(_ *cobra.Command, args []string) error {
			document, err := splitShards(args[0], set)
			if err != nil {
				return err
			}
			if asJSON {
				return view.WriteJSON(a.stdout, document)
			}
			return document.WriteTable(a.stdout)
		},
	}
	specFlags(cmd, &set)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func splitShards(path string, set []string) (view.Shards, error) {
	s, err := localSpec(path, set)
	if err != nil {
		return view.Shards{}, err
	}
	data, err := workload.Load(s.Source(), "", shard.TrainY)
	if err != nil {
		return view.Shards{}, &codeError{exitUsage, err}
	}
	shards, err := shard.Split(s.Shards.Partition, data.Train, s.Shards.Count, s.Shards.Limit, s.Seed)
	if err != nil {
		return view.Shards{}, &codeError{exitUsage, fmt.Errorf("shards: %w", err)}
	}
	return view.NewShards(s.Shards.Partition.String(), shards, data.Train.Labels, data.Train.Classes), nil
}
