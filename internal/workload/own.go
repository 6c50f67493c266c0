package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Own is what one process has of the shards that workers bring.
type Own struct {
	Train *shard.Set // the training sets that are here, joined; Given lists their examples, nil for shards of others
	Parts map[int]shard.Part
	Tests map[int]*shard.Set // by shard; one without a test file is missing

	like *shard.Set
}

// Served says which shards of a run a process is to have: Count in all, those of Has. Must: one that is not there is an
// error; otherwise it is left to others.
type Served struct {
	Count int
	Has   func(shard int) bool
	Must  bool
}

// LoadOwn loads the shards that are served, nil for every folder from 0 up. A relative folder of the data is taken from root.
// Shard 3 lies in the folder 3 below it; where a process must have a single shard and there is no such folder, in the data's
// folder itself.
func LoadOwn(d spec.Workers, root string, served *Served) (*Own, error) {
	d = d.Under(root).(spec.Workers)
	folders, err := ownFolders(d.Dir, served)
	if err != nil {
		return nil, fmt.Errorf("data.workers: %w", err)
	}
	own := &Own{Parts: map[int]shard.Part{}, Tests: map[int]*shard.Set{}, like: d.Like()}
	sets := make([]*shard.Set, len(folders))
	for k, folder := range folders {
		if folder == "" {
			continue
		}
		data, err := loadShard(d, folder)
		if err != nil {
			return nil, fmt.Errorf("data.workers: shard %d in %s: %w", k, folder, err)
		}
		sets[k], own.Parts[k] = data.Train, shard.PartOf(data)
		if data.Test != nil {
			own.Tests[k] = data.Test
		}
	}
	if own.Train, err = shard.Join(sets); err != nil {
		return nil, fmt.Errorf("data.workers: %w", err)
	}
	return own, nil
}

// all returns everything as one data set.
func (o *Own) all() (shard.Data, error) {
	d := shard.Data{Train: o.Train}
	if len(o.Tests) == 0 {
		return d, nil
	}
	tests := make([]*shard.Set, len(o.Train.Given))
	for k, set := range o.Tests {
		tests[k] = set
	}
	joined, err := shard.Join(tests)
	if err != nil {
		return d, fmt.Errorf("data.workers: test sets: %w", err)
	}
	joined.Given = nil
	d.Test = joined
	return d, nil
}

// Outline returns the data of a run whose shards lie with workers: nothing but their sizes.
func Outline(d spec.Workers, sizes []int) (shard.Data, error) {
	train, err := shard.Outline(d.Like(), sizes)
	if err != nil {
		return shard.Data{}, fmt.Errorf("data.workers: %w", err)
	}
	return shard.Data{Train: train}, nil
}

// OwnNetwork returns the network of a run whose shards lie with workers, which needs none of them.
func OwnNetwork(s *spec.Spec, d spec.Workers) (*relu.Network, error) {
	net, err := s.Network(d.Like())
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return net, nil
}

// ownFolders returns by shard where it lies, "" for those that are not here.
func ownFolders(dir string, served *Served) ([]string, error) {
	if served == nil {
		return everyFolder(dir)
	}
	folders := make([]string, served.Count)
	wanted, found, last := 0, 0, 0
	for k := range folders {
		if !served.Has(k) {
			continue
		}
		wanted, last = wanted+1, k
		folder, err := shardFolder(dir, k)
		if err != nil {
			return nil, err
		}
		if folders[k] = folder; folder != "" {
			found++
		}
	}
	switch {
	case wanted == 0:
		return nil, fmt.Errorf("this worker serves none of the run's %d shards", served.Count)
	case wanted == 1 && served.Must && found == 0:
		folders[last] = dir
	case found == 0 || served.Must && found < wanted:
		return nil, fmt.Errorf("%s has folders for %d of the %d shards to be served: want %s and so on: %w",
			dir, found, wanted, filepath.Join(dir, strconv.Itoa(firstMissing(folders, served.Has))), fs.ErrNotExist)
	}
	return folders, nil
}

func firstMissing(folders []string, has func(int) bool) int {
	for k, folder := range folders {
		if folder == "" && has(k) {
			return k
		}
	}
	return 0
}

func everyFolder(dir string) (folders []string, err error) {
	for {
		folder, err := shardFolder(dir, len(folders))
		switch {
		case err != nil:
			return nil, err
		case folder != "":
			folders = append(folders, folder)
		case len(folders) == 0:
			return nil, fmt.Errorf("%s: %w: want a folder for each shard, from 0", filepath.Join(dir, "0"), fs.ErrNotExist)
		default:
			return folders, nil
		}
	}
}

// shardFolder returns the folder of a shard, "" if there is none.
func shardFolder(dir string, k int) (string, error) {
	folder := filepath.Join(dir, strconv.Itoa(k))
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder", folder)
	}
	return folder, nil
}

// loadShard loads what lies in a shard's folder, and makes sure that it is what the spec says.
func loadShard(d spec.Workers, folder string) (shard.Data, error) {
	data, err := loadFormat(d, folder)
	if err != nil {
		return shard.Data{}, err
	}
	like := d.Like()
	for _, set := range []*shard.Set{data.Train, data.Test} {
		if set == nil {
			continue
		}
		if err := agree(set, like); err != nil {
			return shard.Data{}, err
		}
	}
	return data, nil
}

func loadFormat(d spec.Workers, folder string) (shard.Data, error) {
	if d.Format == spec.WorkerIDX {
		return shard.LoadIDXShard(os.DirFS(folder))
	}
	ending := map[spec.WorkerFormat]string{spec.WorkerCSV: ".csv", spec.WorkerNPZ: ".npz", spec.WorkerSafetensors: ".safetensors"}[d.Format]
	p := pair{"data.workers", filepath.Join(folder, "train"+ending), filepath.Join(folder, "test"+ending), ""}
	need := shard.All
	if _, err := os.Stat(p.test); errors.Is(err, fs.ErrNotExist) {
		need = shard.Training
	}
	switch d.Format {
	case spec.WorkerNPZ:
		return loadFiles(p, need, shard.LoadNPZ)
	case spec.WorkerSafetensors:
		return loadFiles(p, need, shard.LoadSafetensors)
	}
	format := shard.CSV{Label: d.Label, Regression: d.Targets > 0, NoHeader: d.NoHeader, Numbers: true}
	return loadFiles(p, need, func(files shard.Files, need shard.Need) (shard.Data, error) {
		return shard.LoadCSV(files, format, need)
	})
}

// agree makes a set one like the others of the run, or says how it differs.
func agree(set, like *shard.Set) error {
	if set.Size() != like.Size() {
		return fmt.Errorf("%w: an example has shape %v, data.workers.shape is %v", shard.ErrData, set.Shape, like.Shape)
	}
	if like.Classes > 0 && set.Labels == nil {
		return fmt.Errorf("%w: targets to be predicted, data.workers has %d classes", shard.ErrData, like.Classes)
	}
	if like.Classes == 0 && set.Labels != nil {
		return fmt.Errorf("%w: class labels, data.workers has %d targets", shard.ErrData, like.Outputs)
	}
	if err := set.CheckOutputs(like.Outputs); err != nil {
		return err
	}
	set.Shape, set.Classes, set.Outputs = like.Shape, like.Classes, like.Outputs
	return nil
}
