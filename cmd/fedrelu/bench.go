package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
)

const benchTrainLong = `Time the steps of a worker's task for networks of the papers, and compare their rate of floating point
operations with the peak of fused multiply-adds of one core, which is measured between the timings.

A row is one network at one batch size. With --threads 2 two slots train a task of their own each, at
once: US/STEP is the time that a step takes on one of them, SAMPLES/S and GFLOP/S are the sums of both,
and SHARE is of two cores' peak.`

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure how fast this machine is",
		Long:    "Measure how fast this machine does what workers and coordinators do.",
		Example: "  fedrelu bench train\n  fedrelu bench round",
	}
	cmd.AddCommand(newBenchTrain(a), newBenchRound(a))
	return cmd
}

func newBenchTrain(a *app) *cobra.Command {
	var pick benchPick
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time training steps against the processor's peak",
		Long:  benchTrainLong,
		Example: `  fedrelu bench train
  fedrelu bench train --threads 1,2 --model 2nn,cnn
  fedrelu bench train --model cnn --batch 10 --json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			bench, err := benchTrain(cmd.Context(), pick, a.console)
			if err != nil {
				return err
			}
			if asJSON {
				return view.WriteJSON(a.stdout, bench)
			}
			return bench.WriteTable(a.stdout)
		},
	}
	names := strings.Join(benchNames(), ", ")
	cmd.Flags().StringSliceVar(&pick.models, "model", nil, "only these networks, of "+names)
	cmd.Flags().IntSliceVar(&pick.batches, "batch", nil, "only these batch sizes")
	cmd.Flags().IntSliceVar(&pick.threads, "threads", []int{1}, "slots that train at once; with several numbers, a row for each")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// maxBenchThreads bounds --threads: each slot has a network's memory of its own.
const maxBenchThreads = 1024

// benchPick says which rows are wanted; empty lists of models and batches are all.
type benchPick struct {
	models           []string
	batches, threads []int
}

// rows returns what is wanted of the table, or an error of usage for names and numbers that choose nothing.
func (p benchPick) rows() ([]benchRow, error) {
	for _, name := range p.models {
		if !slices.Contains(benchNames(), name) {
			return nil, usage("--model %s: want one of %s", name, strings.Join(benchNames(), ", "))
		}
	}
	for _, n := range p.threads {
		if n < 1 || n > maxBenchThreads {
			return nil, usage("--threads %d: want 1 to %d", n, maxBenchThreads)
		}
	}
	var rows []benchRow
	for _, m := range benchModels {
		if len(p.models) > 0 && !slices.Contains(p.models, m.name) {
			continue
		}
		for _, batch := range m.batches {
			if len(p.batches) > 0 && !slices.Contains(p.batches, batch) {
				continue
			}
			for _, threads := range p.threads {
				rows = append(rows, benchRow{m, batch, threads})
			}
		}
	}
	if len(rows) == 0 {
		return nil, usage("no such row: the networks have these batch sizes: %s", benchBatches())
	}
	return rows, nil
}

func benchNames() []string {
	var names []string
	for _, m := range benchModels {
		names = append(names, m.name)
	}
	return names
}

// benchBatches lists the rows in a line.
func benchBatches() string {
	var all []string
	for _, m := range benchModels {
		var sizes []string
		for _, b := range m.batches {
			sizes = append(sizes, strconv.Itoa(b))
		}
		all = append(all, m.name+" "+strings.Join(sizes, ", "))
	}
	return strings.Join(all, "; ")
}

// benchTrain times the rows that are wanted. A terminal shows which one is being timed.
func benchTrain(ctx context.Context, pick benchPick, console *view.Console) (view.Bench, error) {
	rows, err := pick.rows()
	if err != nil {
		return nil, err
	}
	defer console.Live(nil)
	var bench view.Bench
	for i, r := range rows {
		console.Live(func(width int) string { return view.Cut(fmt.Sprintf("row %d/%d: timing %v", i+1, len(rows), r), width) })
		measured, err := r.measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("timing %v: %w", r, err)
		}
		bench = append(bench, measured)
	}
	return bench, nil
}
