package mnist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func TestChecksums(t *testing.T) {
	sums, err := os.ReadFile("SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for lines := bufio.NewScanner(bytes.NewReader(sums)); lines.Scan(); checked++ {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: SHA-256 %s, SHA256SUMS has %s", name, got, want)
		}
		// The files this copy was made from, where they are there.
		if origin, err := os.ReadFile(filepath.Join("../../../../shared/data/mnist", name)); err == nil && !bytes.Equal(b, origin) {
			t.Errorf("%s differs from the file it was copied from", name)
		}
	}
	if checked != 4 {
		t.Errorf("%d checksums, want 4", checked)
	}
}

// load is shared by the tests, since decompressing takes seconds under the race detector.
var load = sync.OnceValues(func() (shard.Data, error) { return Load(shard.All) })

func TestLoad(t *testing.T) {
	d, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*shard.Set{d.Train, d.Test} {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(s.Shape, []int{1, 28, 28}) || s.Classes != 10 || s.Outputs != 10 {
			t.Errorf("shape %v, %d classes", s.Shape, s.Classes)
		}
	}
	if d.Train.N != 60000 || d.Test.N != 10000 {
		t.Errorf("%d training and %d test examples", d.Train.N, d.Test.N)
	}
	if first := d.Train.Labels[:10]; !slices.Equal(first, []int32{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}) {
		t.Errorf("first training labels %v", first)
	}
	// The known distribution of the training digits, and the known mean and maximum of its pixels (0.1307 of 1).
	counts := shard.Counts(shard.Shards{all(d.Train.N)}, d.Train.Labels, 10)[0]
	if want := []int{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}; !slices.Equal(counts, want) {
		t.Errorf("training digits %v, want %v", counts, want)
	}
	sum := 0
	for _, v := range d.Train.Bytes {
		sum += int(v)
	}
	if mean := float64(sum) / 255 / float64(len(d.Train.Bytes)); mean < 0.13065 || mean > 0.13067 {
		t.Errorf("mean pixel %v, want 0.13066", mean)
	}
}

func all(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// A coordinator does without the training images, and its arrays agree with those of a process that has everything.
func TestNeeds(t *testing.T) {
	coordinator, err := Load(shard.TrainY | shard.Testing)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if coordinator.Train.HasFeatures() {
		t.Error("the training images were loaded without need")
	}
	a, b := coordinator.Fingerprint(), whole.Fingerprint()
	if err := a.Check(b); err != nil {
		t.Error(err)
	}
	if a.TrainY != b.TrainY || a.TestX != b.TestX || a.TestX.IsZero() || !a.TrainX.IsZero() || b.TrainX.IsZero() {
		t.Errorf("fingerprints %v and %v", a, b)
	}
}

// The partitions of the two main jobs of McMahan et al.
func TestPaperPartitions(t *testing.T) {
	d, err := Load(shard.TrainY)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []shard.Partition{shard.IID{}, shard.LabelShards{PerShard: 2}} {
		shards, err := shard.Split(p, d.Train, 100, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		h := shard.Measure(shard.Counts(shards, d.Train.Labels, 10))
		if h.MinSize != 600 || h.MaxSize != 600 {
			t.Errorf("%v: %d to %d examples a shard, want 600", p, h.MinSize, h.MaxSize)
		}
		t.Logf("%v: %+v", p, h)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(shard.All); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	d, err := Load(shard.TrainY)
	if err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]shard.Partition{
		"iid": shard.IID{}, "label_shards": shard.LabelShards{PerShard: 2}, "labels": shard.Labels{PerShard: 2},
		"dirichlet": shard.Dirichlet{Alpha: 0.3}, "dirichlet-by-shard": shard.Dirichlet{Alpha: 0.3, Form: shard.ByShard},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := shard.Split(p, d.Train, 100, 0, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One task of the main job: 600 examples in batches of 10, gathered into a network's input.
func BenchmarkTask(b *testing.B) {
	d, err := Load(shard.Training)
	if err != nil {
		b.Fatal(err)
	}
	shards, err := shard.Split(shard.IID{}, d.Train, 100, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	rows := shard.Rows[float32]{X: make([]float32, 7840), Labels: make([]int32, 10)}
	var w shard.Walk
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(1, 1, 0, shards[0], shard.Schedule{Batch: 10, Epochs: 1})
		for batch := w.Next(); batch != nil; batch = w.Next() {
			shard.Gather(d.Train, batch, rows)
		}
	}
}
