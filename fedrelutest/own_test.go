package fedrelutest_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// own is a run of three shards that workers bring; joined is the same on one data set.
const (
	own = `
seed: 3
rounds: 4
data: {workers: {format: safetensors, shape: [10], classes: 4}}
shards: {count: 3}
` + ownTraining
	joined = `
seed: 3
rounds: 4
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 3, partition: {contiguous: {sizes: [23, 57, 30]}}}
` + ownTraining
	ownTraining = `
model: {mlp: {hidden: [16, 8]}}
local: {epochs: 2, batch: 7, optimizer: {sgd: {lr: 0.05, momentum: 0.9}}}
participation: {count: 2}
`
)

// table is examples in the making.
type table struct{ x, y []float32 }

func (d *table) draw(s *keyed.Stream, n int) (part table) {
	for range n {
		label := s.Below(classes)
		part.y = append(part.y, float32(label))
		for j := range features {
			mean := 0.0
			if j == label {
				mean = 2
			}
			part.x = append(part.x, float32(mean+s.Normal()))
		}
	}
	d.x, d.y = append(d.x, part.x...), append(d.y, part.y...)
	return part
}

func (d *table) write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = safetensors.Write(f, []safetensors.Tensor{
		{Name: "x", Shape: []int{len(d.y), features}, Values: d.x}, {Name: "y", Shape: []int{len(d.y)}, Values: d.y},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// writeOwn writes shards 0 and 2 for one worker, shard 1 for another, and all of it joined. Shard 2 has no test file.
func writeOwn(t *testing.T) (left, right, all string) {
	t.Helper()
	left, right, all = t.TempDir(), t.TempDir(), t.TempDir()
	var train, test table
	for k, dir := range []string{filepath.Join(left, "0"), right, filepath.Join(left, "2")} {
		part := train.draw(keyed.New(1, "train", uint64(k)), []int{23, 57, 30}[k])
		part.write(t, filepath.Join(dir, "train.safetensors"))
		if k < 2 {
			part = test.draw(keyed.New(1, "test", uint64(k)), []int{40, 130}[k])
			part.write(t, filepath.Join(dir, "test.safetensors"))
		}
	}
	train.write(t, filepath.Join(all, "train.safetensors"))
	test.write(t, filepath.Join(all, "test.safetensors"))
	return left, right, all
}

// TestOwnShards: two workers in two folders, each with shards that nobody else has, come to the bits of one process that
// has everything, and their scores add up to its.
func TestOwnShards(t *testing.T) {
	left, right, all := writeOwn(t)
	nowhere := t.TempDir()
	for name, options := range map[string][]fedrelutest.Option{
		"apart":    {fedrelutest.Data(nowhere), fedrelutest.Brings(0, left, 0, 2), fedrelutest.Brings(1, right, 1)},
		"unasked":  {fedrelutest.Data(left), fedrelutest.Brings(1, right, 1)}, // who serves all serves what is there
		"rejoined": {fedrelutest.Data(nowhere), fedrelutest.Brings(0, right, 1), fedrelutest.Brings(1, left, 0, 2), fedrelutest.Slots(2)},
	} {
		t.Run(name, func(t *testing.T) {
			got := fedrelutest.Start(t, own, 2, options...).Wait()
			check(t, got, alone(t, joined, all))
			loss, accuracy := scoreOf(t, joined, all)
			if got.TestAccuracy == nil || *got.TestAccuracy != accuracy {
				t.Errorf("accuracy %v, want %v", got.TestAccuracy, accuracy)
			}
			// Sums of losses are of each shard first.
			if got.TestLoss == nil || math.Abs(*got.TestLoss-loss) > 1e-12*loss {
				t.Errorf("loss %v, want %v", got.TestLoss, loss)
			}
		})
	}
}

// scoreOf returns the score of the last model of a spec in one process.
func scoreOf(t *testing.T, specYAML, dir string) (loss, accuracy float64) {
	t.Helper()
	s, err := spec.Parse("spec", []byte(specYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), dir, shard.All)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	model, err := runner.Run(context.Background(), s.Rounds, nil)
	if err != nil {
		t.Fatal(err)
	}
	score, err := localsgd.NewEvaluator(job.Net, data.Test, 1).Evaluate(context.Background(), model)
	if err != nil {
		t.Fatal(err)
	}
	return score.Loss, score.Accuracy
}

// TestOwnShardsMissing: a run waits for a shard that nobody has brought, says which, and gives up.
func TestOwnShardsMissing(t *testing.T) {
	left, _, _ := writeOwn(t)
	got := fedrelutest.Start(t, own+"give_up: 300ms\n", 1, fedrelutest.Brings(0, left, 0, 2)).Wait()
	if want := "no worker has brought shard 1 for"; got.Status != "stopped" || !strings.Contains(got.Reason, want) {
		t.Errorf("%s: %q, want stopped and %q", got.Status, got.Reason, want)
	}
}

// TestOwnShardsDisagree: what two workers say of one shard has to be the same.
func TestOwnShardsDisagree(t *testing.T) {
	left, right, _ := writeOwn(t)
	other := t.TempDir()
	for k := range 3 {
		part := new(table).draw(keyed.New(2, "train", uint64(k)), 57)
		part.write(t, filepath.Join(other, fmt.Sprint(k), "train.safetensors"))
	}
	got := fedrelutest.Start(t, own+"give_up: 300ms\n", 3,
		fedrelutest.Brings(0, left, 0), fedrelutest.Brings(1, other, 0), fedrelutest.Brings(2, right, 1)).Wait()
	if got.Status != "stopped" || !strings.Contains(got.Reason, "no worker has brought shard 2") {
		t.Errorf("%s: %q", got.Status, got.Reason)
	}
}
