package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// benchTimings is how often each row is timed; the median counts.
const benchTimings = 7

// benchModel is a network for ten classes with its optimizer and the batches that it is timed with.
type benchModel struct {
	name    string
	input   []int // shape of an example
	layers  []relu.Layer
	sgd     localsgd.SGD
	batches []int
}

const benchClasses = 10

var benchModels = []benchModel{
	{"2nn", []int{784}, benchMLP(2, 200), localsgd.SGD{LR: 0.01}, []int{10, 50, 600}},
	{"mlp-10x100", []int{784}, benchMLP(9, 100), localsgd.SGD{LR: 0.01, Momentum: 0.9, WeightDecay: 5e-4}, []int{4, 16, 128}},
	{"mlp-4x1024", []int{784}, benchMLP(4, 1024), localsgd.SGD{LR: 0.001, Momentum: 0.9}, []int{32, 128}},
	{"cnn", []int{1, 28, 28}, relu.CNN{Input: []int{1, 28, 28}, Output: benchClasses}.Layers(), localsgd.SGD{LR: 0.01}, []int{10, 50}},
}

// benchMLP has so many hidden layers of one width.
func benchMLP(layers, width int) []relu.Layer {
	return relu.MLP{Input: 784, Hidden: slices.Repeat([]int{width}, layers), Output: benchClasses}.Layers()
}

// operations counts 2 for each multiply-add of a step on a batch: a layer's forward product, its weight gradient and, but
// for the first layer, its input gradient. What is not a product of matrices counts nothing.
func (m benchModel) operations(batch int) float64 {
	total, products := 0, 2
	shape := m.input
	for _, layer := range m.layers {
		n := 0
		switch l := layer.(type) {
		case relu.Linear:
			shape, n = []int{l.Out}, l.In*l.Out
		case relu.Conv2D:
			shape = []int{l.Out, windows(shape[1]+2*l.Padding, l.Kernel, l.Stride), windows(shape[2]+2*l.Padding, l.Kernel, l.Stride)}
			n = l.In * l.Kernel * l.Kernel * l.Out * shape[1] * shape[2]
		case relu.MaxPool2D:
			shape = []int{shape[0], windows(shape[1], l.Kernel, l.Stride), windows(shape[2], l.Kernel, l.Stride)}
		}
		if n > 0 {
			total += products * 2 * batch * n
			products = 3
		}
	}
	return float64(total)
}

// windows is how many windows fit into a length.
func windows(length, size, stride int) int { return (length-size)/stride + 1 }

// benchRow is a line of the table: a network at one size of batch on so many slots.
type benchRow struct {
	model          benchModel
	batch, threads int
}

func (r benchRow) String() string {
	return fmt.Sprintf("%s at batch %d, threads %d", r.model.name, r.batch, r.threads)
}

// measure times the row, with the peak measured before and after each timing.
func (r benchRow) measure(ctx context.Context) (view.BenchRow, error) {
	task, err := newBenchTask(ctx, r)
	if err != nil {
		return view.BenchRow{}, err
	}
	runtime.GC() // what the row before left, so that no collection disturbs this one
	peak := measurePeak()
	seconds := make([]float64, benchTimings)
	for i := range seconds {
		if seconds[i], err = task.time(ctx); err != nil {
			return view.BenchRow{}, err
		}
		peak = max(peak, measurePeak())
	}
	return r.result(median(seconds), peak), nil
}

// result makes the row of the seconds that a step takes on a slot and the peak of a core.
func (r benchRow) result(step, peak float64) view.BenchRow {
	stepsPerSecond := float64(r.threads) / step
	rate := r.model.operations(r.batch) * stepsPerSecond / 1e9
	return view.BenchRow{
		Model: r.model.name, Batch: r.batch, Threads: r.threads,
		MicrosecondsPerStep: step * 1e6, SamplesPerSecond: float64(r.batch) * stepsPerSecond,
		GFLOPS: rate, PeakGFLOPS: peak, FractionOfPeak: rate / (float64(r.threads) * peak),
	}
}

func median[T cmp.Ordered](x []T) T {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
