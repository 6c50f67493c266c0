package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// benchTimings is how often each row is timed; the median counts.
const benchTimings = 5

// benchModel is a network with its optimizer and the batches that it is timed with.
type benchModel struct {
	name    string
	net     relu.MLP
	sgd     localsgd.SGD
	batches []int
}

var benchModels = []benchModel{
	{"2nn", relu.MLP{Input: 784, Hidden: []int{200, 200}, Output: 10}, localsgd.SGD{LR: 0.01}, []int{10, 50, 600}},
	{"mlp-10x100", relu.MLP{Input: 784, Hidden: slices.Repeat([]int{100}, 9), Output: 10},
		localsgd.SGD{LR: 0.01, Momentum: 0.9, WeightDecay: 5e-4}, []int{4, 16, 128}},
	{"mlp-4x1024", relu.MLP{Input: 784, Hidden: slices.Repeat([]int{1024}, 4), Output: 10},
		localsgd.SGD{LR: 0.001, Momentum: 0.9}, []int{32, 128}},
}

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure how fast this machine is",
		Long:    "Measure how fast this machine does what a worker does.",
		Example: "  fedrelu bench train",
	}
	var asJSON bool
	train := &cobra.Command{
		Use:   "train",
		Short: "Time training steps against the processor's peak",
		Long: `Time the steps of a worker's task for networks of the papers, on one core, and compare their rate of
floating point operations with the peak of fused multiply-adds that is measured between the rows.`,
		Example: "  fedrelu bench train --json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := benchTrain(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return view.WriteJSON(a.stdout, rows)
			}
			return rows.WriteTable(a.stdout)
		},
	}
	jsonFlag(train, &asJSON)
	cmd.AddCommand(train)
	return cmd
}

// benchTrain times all rows.
func benchTrain(ctx context.Context) (view.Bench, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	var rows view.Bench
	for _, m := range benchModels {
		for _, batch := range m.batches {
			row, err := m.row(ctx, batch)
			if err != nil {
				return nil, fmt.Errorf("timing %s at batch %d: %w", m.name, batch, err)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// row times one row, with the peak measured before and after each timing.
func (m benchModel) row(ctx context.Context, batch int) (view.BenchRow, error) {
	task, err := newBenchTask(m, batch)
	if err != nil {
		return view.BenchRow{}, err
	}
	peak := measurePeak()
	seconds := make([]float64, benchTimings)
	for i := range seconds {
		if seconds[i], err = task.time(ctx); err != nil {
			return view.BenchRow{}, err
		}
		peak = max(peak, measurePeak())
	}
	step := median(seconds)
	rate := m.operations(batch) / step / 1e9
	return view.BenchRow{
		Model: m.name, Batch: batch, Threads: 1, MicrosecondsPerStep: step * 1e6, SamplesPerSecond: float64(batch) / step,
		GFLOPS: rate, PeakGFLOPS: peak, FractionOfPeak: rate / peak,
	}, nil
}

// operations counts 2 for each multiply-add of a step: a layer's forward product, its weight gradient and, but for the
// first layer, its input gradient.
func (m benchModel) operations(batch int) float64 {
	total, in := 0, m.net.Input
	for i, out := range append(slices.Clone(m.net.Hidden), m.net.Output) {
		products := 3
		if i == 0 {
			products = 2
		}
		total += products * 2 * batch * in * out
		in = out
	}
	return float64(total)
}

func median[T cmp.Ordered](x []T) T {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
