package shard

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The names of the four files, as MNIST has them.
const (
	trainImages = "train-images-idx3-ubyte"
	trainLabels = "train-labels-idx1-ubyte"
	testImages  = "t10k-images-idx3-ubyte"
	testLabels  = "t10k-labels-idx1-ubyte"
)

// LoadIDX loads MNIST-style IDX files from the top of fsys: train-images-idx3-ubyte, train-labels-idx1-ubyte,
// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or with .gz (plain wins). Also accepted: .idx3 for -idx3,
// test- for t10k-, and one common prefix (EMNIST: emnist-letters-train-images-idx3-ubyte.gz). Images become [1, h, w].
//
// Classes is the largest training label plus one. So that a damaged label does not silently make a class, every class from
// 1 up must occur in the training set (EMNIST letters has no 0), no test label may exceed the largest training label, and
// where both sets are loaded their largest labels must be equal.
func LoadIDX(fsys fs.FS, need Need) (Data, error) {
	files, err := findIDX(fsys)
	if err != nil {
		return Data{}, err
	}
	d, err := loadIDXSets(fsys, files, need)
	if err != nil {
		return Data{}, err
	}
	if err := checkIDXClasses(d, files); err != nil {
		return Data{}, err
	}
	return d, d.check()
}

// LoadIDXShard loads all files of a folder that holds one shard of a larger set: classes may be missing, and so may both
// files of the test set.
func LoadIDXShard(fsys fs.FS) (Data, error) {
	files, err := findIDX(fsys)
	if err != nil {
		return Data{}, err
	}
	need := All
	if files.byRole[testImages] == "" && files.byRole[testLabels] == "" {
		need = Training
	}
	d, err := loadIDXSets(fsys, files, need)
	if err != nil {
		return Data{}, err
	}
	return d, d.check()
}

func loadIDXSets(fsys fs.FS, files idxFiles, need Need) (d Data, err error) {
	if need.Has(Training) {
		if d.Train, err = loadIDXSet(fsys, files, idxRoles{need.Has(TrainX), trainImages, need.Has(TrainY), trainLabels}); err != nil {
			return Data{}, fmt.Errorf("loading the training set: %w", err)
		}
	}
	if need.Has(Testing) {
		if d.Test, err = loadIDXSet(fsys, files, idxRoles{need.Has(TestX), testImages, need.Has(TestY), testLabels}); err != nil {
			return Data{}, fmt.Errorf("loading the test set: %w", err)
		}
	}
	return d, nil
}

// idxFiles holds the file chosen for each role, and why a role has none.
type idxFiles struct {
	byRole map[string]string
	found  []string
}

func (f idxFiles) name(role string) (string, error) {
	if name, ok := f.byRole[role]; ok {
		return name, nil
	}
	return "", fmt.Errorf("%w: no file %s or %s.gz in the data directory, which holds %q", fs.ErrNotExist, role, role, f.found)
}

// findIDX looks at names only. Files without a prefix win over files with one; two prefixes are ambiguous.
func findIDX(fsys fs.FS) (idxFiles, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return idxFiles{}, fmt.Errorf("listing the data directory: %w", err)
	}
	files := idxFiles{byRole: map[string]string{}}
	byPrefix := map[string][]string{}
	for _, e := range entries {
		if len(files.found) < 20 {
			files.found = append(files.found, e.Name())
		}
		if prefix, _, ok := idxRole(e.Name()); ok {
			byPrefix[prefix] = append(byPrefix[prefix], e.Name())
		}
	}
	names, ok := byPrefix[""]
	if !ok && len(byPrefix) > 1 {
		return files, fmt.Errorf("%w: several IDX data sets in one directory: %q", ErrData, files.found)
	}
	for _, n := range byPrefix {
		if !ok {
			names = n
		}
	}
	for _, name := range names {
		_, role, _ := idxRole(name)
		if old, dup := files.byRole[role]; !dup || strings.HasSuffix(old, ".gz") {
			files.byRole[role] = name
		}
	}
	return files, nil
}

// idxRole splits a file name into what stands before the role and the role.
func idxRole(name string) (prefix, role string, ok bool) {
	plain := strings.TrimSuffix(name, ".gz")
	plain = strings.ReplaceAll(plain, ".idx", "-idx")
	plain = strings.Replace(plain, "test-images-", "t10k-images-", 1)
	plain = strings.Replace(plain, "test-labels-", "t10k-labels-", 1)
	for _, role := range []string{trainImages, trainLabels, testImages, testLabels} {
		if prefix, ok := strings.CutSuffix(plain, role); ok && (prefix == "" || strings.HasSuffix(prefix, "-")) {
			return prefix, role, true
		}
	}
	return "", "", false
}

// idxRoles says which files make up one set.
type idxRoles struct {
	needX  bool
	images string
	needY  bool
	labels string
}

func loadIDXSet(fsys fs.FS, files idxFiles, roles idxRoles) (*Set, error) {
	s := &Set{}
	var x, y idxArray
	if roles.needX {
		name, err := files.name(roles.images)
		if err != nil {
			return nil, err
		}
		if x, err = readIDX(fsys, name, 3); err != nil {
			return nil, err
		}
		s.N, s.Shape, s.Bytes = x.dims[0], []int{1, x.dims[1], x.dims[2]}, x.data
	}
	if roles.needY {
		name, err := files.name(roles.labels)
		if err != nil {
			return nil, err
		}
		if y, err = readIDX(fsys, name, 1); err != nil {
			return nil, err
		}
		s.N, s.Labels = y.dims[0], widen(y.data)
		s.setClasses()
	}
	if roles.needX && roles.needY && x.dims[0] != y.dims[0] {
		return nil, fmt.Errorf("%w: %s holds %d images, but %s holds %d labels", ErrData, x.name, x.dims[0], y.name, y.dims[0])
	}
	return s, nil
}

func widen(b []byte) []int32 {
	out := make([]int32, len(b))
	for i, v := range b {
		out[i] = int32(v)
	}
	return out
}

func (s *Set) setClasses() {
	s.Classes = int(slices.Max(s.Labels)) + 1
	s.Outputs = s.Classes
}

// checkIDXClasses applies the rule that LoadIDX states, and gives both sets the same number of classes.
func checkIDXClasses(d Data, files idxFiles) error {
	if d.Train == nil || d.Train.Labels == nil {
		return nil
	}
	seen := make([]bool, d.Train.Classes)
	for _, l := range d.Train.Labels {
		seen[l] = true
	}
	for c := 1; c < len(seen); c++ {
		if !seen[c] {
			top := int32(len(seen) - 1)
			return fmt.Errorf("%s: %w: label %d of example %d is out of range: no example has label %d, and classes are numbered without gaps",
				files.byRole[trainLabels], ErrData, top, slices.Index(d.Train.Labels, top), c)
		}
	}
	if d.Test == nil || d.Test.Labels == nil || d.Test.Classes == d.Train.Classes {
		return nil
	}
	name, high, low := files.byRole[testLabels], d.Test, d.Train
	if high.Classes < low.Classes {
		name, high, low = files.byRole[trainLabels], d.Train, d.Test
	}
	top := int32(high.Classes - 1)
	return fmt.Errorf("%s: %w: label %d of example %d is out of range: the other set allows 0 to %d, and both must have the same classes",
		name, ErrData, top, slices.Index(high.Labels, top), low.Classes-1)
}
