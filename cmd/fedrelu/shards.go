package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
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
labels in nats, and the mean total variation of a shard's labels from those of all shards together (0: alike).`,
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
