package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Counted by hand: batch x fan-in x fan-out x positions, twice for the first layer and three times for the others. The
// issue of the bench rounds the first and the last to 8.79 and 724 million.
func TestBenchCountsOperations(t *testing.T) {
	mlp := func(batch, hidden, layers int) float64 {
		return float64(2 * batch * (2*784*hidden + 3*(layers-1)*hidden*hidden + 3*hidden*10))
	}
	want := map[string]float64{
		"2nn": mlp(10, 200, 2), "mlp-10x100": mlp(10, 100, 9), "mlp-4x1024": mlp(10, 1024, 4),
		"cnn": 2 * 10 * (2*25*32*28*28 + 3*32*25*64*14*14 + 3*3136*512 + 3*512*10),
	}
	for _, m := range benchModels {
		if got := m.operations(10); got != want[m.name] {
			t.Errorf("%s: %v operations, want %v", m.name, got, want[m.name])
		}
	}
	if math.Abs(want["2nn"]-8.79e6) > 0.005e6 || math.Abs(want["cnn"]-724e6) > 0.5e6 {
		t.Errorf("%v and %v operations, want 8.79e6 and 724e6", want["2nn"], want["cnn"])
	}
}

func TestBenchCountsStridesAndPadding(t *testing.T) {
	m := benchModel{input: []int{2, 9, 7}, layers: []relu.Layer{
		relu.Conv2D{In: 2, Out: 3, Kernel: 3, Stride: 2, Padding: 1}, relu.ReLU{}, // 3 x 5 x 4
		relu.MaxPool2D{Kernel: 2, Stride: 2}, relu.Flatten{}, // 3 x 2 x 2
		relu.Linear{In: 12, Out: 10},
	}}
	if got, want := m.operations(4), float64(2*4*(2*2*9*3*5*4+3*12*10)); got != want {
		t.Errorf("%v operations, want %v", got, want)
	}
}

// The 1,663,370 parameters of the paper's CNN, and every network takes the inputs that it is given.
func TestBenchNetworks(t *testing.T) {
	for _, m := range benchModels {
		net, err := relu.New(m.layers, m.input, relu.CrossEntropy)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if m.name == "cnn" && net.Parameters() != 1663370 {
			t.Errorf("%s: %d parameters, want 1663370", m.name, net.Parameters())
		}
	}
}

func TestBenchPicksRows(t *testing.T) {
	for _, c := range []struct {
		pick benchPick
		want string
	}{
		{benchPick{threads: []int{1}}, `2nn/10/1 2nn/50/1 2nn/600/1 mlp-10x100/4/1 mlp-10x100/16/1 mlp-10x100/128/1 ` +
			`mlp-4x1024/32/1 mlp-4x1024/128/1 cnn/10/1 cnn/50/1`},
		{benchPick{[]string{"cnn", "2nn"}, []int{10}, []int{1, 2}}, "2nn/10/1 2nn/10/2 cnn/10/1 cnn/10/2"},
		{benchPick{nil, []int{128}, []int{3}}, "mlp-10x100/128/3 mlp-4x1024/128/3"},
		{benchPick{[]string{"3nn"}, nil, []int{1}}, "--model 3nn: want one of 2nn, mlp-10x100, mlp-4x1024, cnn"},
		{benchPick{nil, nil, []int{1, 0}}, "--threads 0: want 1 to 1024"},
		{benchPick{[]string{"cnn"}, []int{600}, []int{1}}, "no such row: the networks have these batch sizes: " +
			"2nn 10, 50, 600; mlp-10x100 4, 16, 128; mlp-4x1024 32, 128; cnn 10, 50"},
	} {
		rows, err := c.pick.rows()
		var got []string
		for _, r := range rows {
			got = append(got, strings.NewReplacer(" at batch ", "/", ", threads ", "/").Replace(r.String()))
		}
		var coded *codeError
		if err != nil && (!errors.As(err, &coded) || coded.code != exitUsage) {
			t.Errorf("%+v: %v is no error of usage", c.pick, err)
		}
		if err != nil {
			got = append(got, err.Error())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: got %s, want %s", c.pick, strings.Join(got, " "), c.want)
		}
	}
}

// small is a row that takes next to no time.
func small(threads int) benchRow {
	layers := relu.MLP{Input: 3, Hidden: []int{4}, Output: benchClasses}.Layers()
	return benchRow{benchModel{"small", []int{3}, layers, localsgd.SGD{LR: 0.01, Momentum: 0.9}, nil}, 5, threads}
}

func TestBenchRow(t *testing.T) {
	row, err := small(1).measure(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if row.Model != "small" || row.Batch != 5 || row.Threads != 1 {
		t.Errorf("a row of something else: %+v", row)
	}
	if !(row.MicrosecondsPerStep > 0) || !(row.FractionOfPeak > 0 && row.FractionOfPeak < 1) {
		t.Errorf("an impossible row: %+v", row)
	}
	if _, err := small(2).measure(canceled()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v from a cancelled context", err)
	}
}

// Two slots whose steps take 4 ms do twice the work of one, and have two cores' peak to be measured by.
func TestBenchAddsUpSlots(t *testing.T) {
	r := small(2)
	operations := r.model.operations(5)
	want := view.BenchRow{
		Model: "small", Batch: 5, Threads: 2, MicrosecondsPerStep: 4000, SamplesPerSecond: 2500,
		GFLOPS: operations * 500 / 1e9, PeakGFLOPS: operations * 1000 / 1e9, FractionOfPeak: 0.25,
	}
	got := r.result(0.004, operations*1000/1e9)
	if math.Abs(got.FractionOfPeak-want.FractionOfPeak) > 1e-12 || math.Abs(got.GFLOPS-want.GFLOPS) > 1e-12 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got.FractionOfPeak, got.GFLOPS = want.FractionOfPeak, want.GFLOPS
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Each slot trains the task of a shard of its own, and ends where one slot alone would.
func TestBenchSlotsTrainTheirOwnShards(t *testing.T) {
	r := small(2)
	task, err := newBenchTask(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if step, err := task.time(context.Background()); err != nil || !(step > 0) {
		t.Fatalf("%v seconds a step, %v", step, err)
	}
	for i, s := range task.slots {
		alone := make([]float32, len(task.start))
		if _, err := s.trainer.Train(context.Background(), localsgd.Task{Round: 1, Shard: i}, task.grid, localsgd.Blocks{Start: task.start, End: alone}); err != nil {
			t.Fatal(err)
		}
		for j := range alone {
			if alone[j] != s.end[j] {
				t.Fatalf("slot %d: parameter %d ends at %v, alone at %v", i, j, s.end[j], alone[j])
			}
		}
	}
	if a, b := task.slots[0].end[0], task.slots[1].end[0]; a == b {
		t.Errorf("both slots end at %v: the same task", a)
	}
}

func TestBenchDataIsDense(t *testing.T) {
	net, err := relu.New(benchModels[0].layers, []int{784}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	set := benchData(net, benchRow{benchModels[0], 10, 1})
	sum, squares := 0.0, 0.0
	for i, x := range set.Values {
		if x == 0 {
			t.Fatalf("value %d is zero", i)
		}
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	n := float64(len(set.Values)) // the mean of n normals is within 5/sqrt(n) of 0 but for one case in a million
	if math.Abs(sum/n) > 5/math.Sqrt(n) || math.Abs(squares/n-1) > 5*math.Sqrt(2/n) {
		t.Errorf("mean %v and mean square %v are not those of normals", sum/n, squares/n)
	}
}

func TestBenchShowsWhatItTimes(t *testing.T) {
	var screen bytes.Buffer
	console := view.NewConsole(&screen, func() int { return 80 })
	if _, err := benchTrain(canceled(), benchPick{models: []string{"2nn"}, threads: []int{1}}, console); !errors.Is(err, context.Canceled) {
		t.Errorf("%v from a cancelled context", err)
	}
	if !strings.Contains(screen.String(), "row 1/3: timing 2nn at batch 10, threads 1") {
		t.Errorf("the terminal shows %q", screen.String())
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
