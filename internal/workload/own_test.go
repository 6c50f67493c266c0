package workload_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// ownCSV is what workers bring as tables of two features and three classes.
var ownCSV = spec.Workers{Dir: ".", Format: spec.WorkerCSV, Dims: [4]int{2}, Classes: 3, Label: "y"}

// writeOwn writes the files, which are named by their paths below a new folder.
func writeOwn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func serving(count int, must bool, shards ...int) *workload.Served {
	return &workload.Served{Count: count, Must: must, Has: func(k int) bool { return len(shards) == 0 || slices.Contains(shards, k) }}
}

const head = "a,b,y\n"

// TestLoadOwn: a process has the shards that it serves, with the classes of the run whatever its labels are, and knows
// nothing of the others.
func TestLoadOwn(t *testing.T) {
	dir := writeOwn(t, map[string]string{
		"0/train.csv": head + "1,2,0\n3,4,0\n", "2/train.csv": head + "5,6,1\n", "2/test.csv": head + "7,8,2\n", "train.csv": head + "9,9,2\n",
	})
	own, err := workload.LoadOwn(ownCSV, dir, serving(4, true, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := own.Train.Given, (shard.Shards{{0, 1}, nil, {2}, nil}); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("shards %v, want %v", got, want)
	}
	if own.Train.Classes != 3 || !slices.Equal(own.Train.Values, []float32{1, 2, 3, 4, 5, 6}) || !slices.Equal(own.Train.Labels, []int32{0, 0, 1}) {
		t.Errorf("joined: %+v", own.Train)
	}
	if len(own.Parts) != 2 || own.Parts[0].Examples != 2 || own.Parts[0].Tests != 0 || own.Parts[2].Tests != 1 || own.Tests[2].Classes != 3 {
		t.Errorf("parts: %+v", own.Parts)
	}
	lone, err := workload.LoadOwn(ownCSV, dir, serving(4, true, 3))
	if err != nil || lone.Train.Values[0] != 9 || len(lone.Train.Given[3]) != 1 {
		t.Errorf("a lone shard lies in the folder itself: %+v, %v", lone, err)
	}
	if some, err := workload.LoadOwn(ownCSV, dir, serving(4, false)); err != nil || len(some.Parts) != 2 {
		t.Errorf("who serves all has what is there: %+v, %v", some, err)
	}
}

// TestLoadOwnRefuses: what is wrong is said with the shard and its folder.
func TestLoadOwnRefuses(t *testing.T) {
	good := head + "1,2,0\n"
	for name, c := range map[string]struct {
		files  map[string]string
		served *workload.Served
		want   string
		is     error
	}{
		"missing":  {map[string]string{"0/train.csv": good}, serving(3, true, 0, 1), "folders for 1 of the 2 shards to be served", fs.ErrNotExist},
		"nothing":  {nil, serving(3, false), "folders for 0 of the 3", fs.ErrNotExist},
		"none":     {nil, serving(3, true, 7), "serves none of the run's 3 shards", nil},
		"words":    {map[string]string{"0/train.csv": head + "1,2,cat\n"}, serving(1, true), "label \"cat\", want a whole number from 0", shard.ErrData},
		"label":    {map[string]string{"0/train.csv": head + "1,2,3\n"}, serving(1, true), "label 3 of example 0", shard.ErrData},
		"test":     {map[string]string{"0/train.csv": good, "0/test.csv": head + "1,2,5\n"}, serving(1, true), "label 5 of example 0", shard.ErrData},
		"features": {map[string]string{"0/train.csv": "a,y\n1,0\n"}, serving(1, true), "an example has shape [1], data.workers.shape is [2]", shard.ErrData},
		"file":     {map[string]string{"0": "no folder"}, serving(1, true), "is not a folder", nil},
		"empty":    {map[string]string{"0/test.csv": good}, serving(1, true), "train.csv", fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workload.LoadOwn(ownCSV, writeOwn(t, c.files), c.served)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestOwnIDX: labels that a shard lacks are no mistake, and a shard may lack both test files.
func TestOwnIDX(t *testing.T) {
	images := "\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02" + "\x01\x02\x03\x04"
	labels := "\x00\x00\x08\x01\x00\x00\x00\x02" + "\x05\x02"
	dir := writeOwn(t, map[string]string{"0/train-images-idx3-ubyte": images, "0/train-labels-idx1-ubyte": labels})
	d := spec.Workers{Dir: ".", Format: spec.WorkerIDX, Dims: [4]int{1, 1, 2}, Classes: 10}
	own, err := workload.LoadOwn(d, dir, nil)
	if err != nil || own.Train.Classes != 10 || own.Train.N != 2 || len(own.Tests) != 0 {
		t.Errorf("%+v, %v", own, err)
	}
}

// TestPartCheck: every difference has its words.
func TestPartCheck(t *testing.T) {
	text := head
	var parts []shard.Part
	for i := range 3 {
		text += strconv.Itoa(i) + ",2,0\n"
		own, err := workload.LoadOwn(ownCSV, writeOwn(t, map[string]string{"0/train.csv": text, "0/test.csv": head + strconv.Itoa(i) + ",0,0\n"}), nil)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, own.Parts[0])
	}
	other := parts[0]
	other.Data.TestX = parts[1].Data.TestX
	fewer := parts[0]
	fewer.Tests = 0
	for want, shown := range map[string]shard.Part{"1 training examples here, 2 there": parts[1], "test features differ": other, "1 test examples here, 0 there": fewer} {
		if err := parts[0].Check(shown); !errors.Is(err, shard.ErrOtherData) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := parts[0].Check(parts[0]); err != nil {
		t.Error(err)
	}
}
