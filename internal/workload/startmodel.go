package workload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrStart is wrapped by the errors of a start model that is none, or that of another network.
var ErrStart = errors.New("start model does not fit")

// StartModel is an open file of a model that a run starts from. Close must be called.
type StartModel struct {
	Tensors []tensor.Desc // in the order of torch's state_dict(); Buffer is not known
	Values  int
	Hash    tensor.Hash // of all values in that order: the model_sha256 that they will have

	file   *os.File
	tensor *safetensors.File
}

// OpenStart opens a safetensors file of floats. num_batches_tracked, which torch counts for itself, is left out. The values
// must be finite.
func OpenStart(path string) (*StartModel, error) {
	m, err := OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("model.init.file: %w", err)
	}
	return m, nil
}

// OpenModel is OpenStart for a file that no spec names: a checkpoint to look at.
func OpenModel(path string) (*StartModel, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m := &StartModel{file: f}
	if err := m.read(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// Read reads all values into block, in the order of Tensors.
func (m *StartModel) Read(block []float32) error {
	if len(block) != m.Values {
		panic(fmt.Sprintf("workload: a block of %d for %d values", len(block), m.Values))
	}
	rest := block
	for _, t := range m.Tensors {
		err := m.tensor.Floats(t.Name, func(values []float32) error {
			rest = rest[copy(rest, values):]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *StartModel) read(path string) error {
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	if m.tensor, err = safetensors.Open(m.file, info.Size(), path); err != nil {
		return err
	}
	for _, t := range m.tensor.Tensors() {
		if t.Name == "num_batches_tracked" || strings.HasSuffix(t.Name, ".num_batches_tracked") {
			continue
		}
		if !t.DType.IsFloat() {
			return fmt.Errorf("%s: %w: tensor %q has dtype %s, expected floats", path, ErrStart, t.Name, t.DType)
		}
		m.Tensors = append(m.Tensors, tensor.Desc{Name: t.Name, Shape: t.Shape})
	}
	slices.SortFunc(m.Tensors, func(a, b tensor.Desc) int { return tensor.CompareNames(a.Name, b.Name) })
	layout, err := tensor.NewLayout(m.Tensors)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrStart, err)
	}
	m.Values = layout.Size()
	if m.Values == 0 {
		return fmt.Errorf("%s: %w: it has no tensors", path, ErrStart)
	}
	hash := sha256.New()
	if err := m.Copy(hash); err != nil {
		return err
	}
	m.Hash = tensor.Hash(hash.Sum(nil))
	return nil
}

// Copy writes all values, little-endian float32.
func (m *StartModel) Copy(w io.Writer) error {
	for _, t := range m.Tensors {
		at := 0
		err := m.tensor.Floats(t.Name, func(values []float32) error {
			for i, x := range values {
				if x-x != 0 {
					return fmt.Errorf("%s: %w: tensor %q has the value %v at index %d", m.tensor.Name(), ErrStart, t.Name, x, at+i)
				}
			}
			at += len(values)
			for part := range tensor.Chunks(values, 4*len(values)) {
				if _, err := w.Write(part); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (m *StartModel) Close() error { return m.file.Close() }

// ReadStart reads the model of a file into block, which has the network's layout.
func ReadStart(path string, layout *tensor.Layout, block []float32) error {
	m, err := OpenStart(path)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := FitStart(m.Tensors, layout); err != nil {
		return fmt.Errorf("model.init.file: %s: %w", path, err)
	}
	for i := range layout.Len() {
		rest := tensor.Of(block, layout.At(i))
		err := m.tensor.Floats(layout.At(i).Name, func(values []float32) error {
			rest = rest[copy(rest, values):]
			return nil
		})
		if err != nil {
			return fmt.Errorf("model.init.file: %w", err)
		}
	}
	return localsgd.CheckFinite(layout, block)
}

// checkOrder looks at tensors that are the layout's, in any order.
func checkOrder(tensors []tensor.Desc, layout *tensor.Layout) error {
	for i, t := range tensors {
		if want := layout.At(i).Name; t.Name != want {
			return fmt.Errorf("%w: tensor %d is %q, expected %q, as in torch's state_dict()", ErrStart, i, t.Name, want)
		}
	}
	return nil
}

// maxMisfits bounds how many tensors an error names.
const maxMisfits = 8

// FitStart returns an error that wraps ErrStart and names every tensor that is missing, of another shape, or not the
// network's, unless the tensors, in the order of torch's state_dict(), are those of the layout.
func FitStart(tensors []tensor.Desc, layout *tensor.Layout) error {
	found := make(map[string][]int, len(tensors))
	for _, t := range tensors {
		found[t.Name] = t.Shape
	}
	var misfits []string
	for _, want := range layout.Descs() {
		shape, there := found[want.Name]
		switch {
		case !there:
			misfits = append(misfits, fmt.Sprintf("tensor %q of shape %v is missing", want.Name, want.Shape))
		case !slices.Equal(shape, want.Shape):
			misfits = append(misfits, fmt.Sprintf("tensor %q has shape %v, expected %v", want.Name, shape, want.Shape))
		}
	}
	for _, t := range tensors {
		if _, known := layout.Lookup(t.Name); !known {
			misfits = append(misfits, fmt.Sprintf("the network has no tensor %q (shape %v)", t.Name, t.Shape))
		}
	}
	if len(misfits) == 0 {
		return checkOrder(tensors, layout)
	}
	if n := len(misfits) - maxMisfits; n > 0 {
		misfits = append(misfits[:maxMisfits], fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("%w: %s", ErrStart, strings.Join(misfits, "; "))
}
