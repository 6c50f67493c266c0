// Package checkpoints measures models that lie in safetensors files, whoever trained them: every matrix by itself, several
// models beside each other, and, where a network and data are known, what the models compute.
//
// Rules. Measurements are those of analysis, by its names; nothing is trained and no file is changed. Tensors have the names
// that their file gives them and the order of torch's state_dict(); convolutions are measured as out x (in kh kw), and running
// statistics not at all. A number that does not exist is nil, with a reason where there is room for one. Nothing depends on the
// number of threads.
package checkpoints

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// ErrShapes is the error of models that should have the same tensors and do not.
var ErrShapes = errors.New("other tensors")

// Model is a checkpoint in memory.
type Model struct {
	Path   string
	Name   string      // the file's name, without folders where that tells the files apart
	Hash   tensor.Hash // of all values in the order of torch's state_dict(): the model_sha256 of fedrelu
	Layout *tensor.Layout
	Block  []float32
}

// Open reads checkpoints, which must have the same tensors if there are several. Errors name the file.
func Open(paths []string) ([]*Model, error) {
	var models []*Model
	for _, path := range paths {
		m, err := open(path)
		if err != nil {
			return nil, fmt.Errorf("reading a checkpoint: %w", err)
		}
		if len(models) > 0 {
			if err := sameTensors(models[0], m); err != nil {
				return nil, err
			}
		}
		models = append(models, m)
	}
	shorten(models)
	return models, nil
}

func open(path string) (*Model, error) {
	f, err := workload.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	descs := slices.Clone(f.Tensors)
	for i := range descs {
		name := descs[i].Name
		descs[i].Buffer = strings.HasSuffix(name, "running_mean") || strings.HasSuffix(name, "running_var")
	}
	layout, err := tensor.NewLayout(descs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m := &Model{Path: path, Name: path, Hash: f.Hash, Layout: layout, Block: make([]float32, f.Values)}
	return m, f.Read(m.Block)
}

func sameTensors(a, b *Model) error {
	if a.Layout.Len() != b.Layout.Len() {
		return fmt.Errorf("%s: %w: %d, and %s has %d", b.Path, ErrShapes, b.Layout.Len(), a.Path, a.Layout.Len())
	}
	for i := range a.Layout.Len() {
		x, y := a.Layout.At(i), b.Layout.At(i)
		if x.Name != y.Name || !slices.Equal(x.Shape, y.Shape) {
			return fmt.Errorf("%s: %w: %s %v where %s has %s %v", b.Path, ErrShapes, y.Name, y.Shape, a.Path, x.Name, x.Shape)
		}
	}
	return nil
}

// shorten names models by their files alone if these names differ.
func shorten(models []*Model) {
	seen := map[string]bool{}
	for _, m := range models {
		seen[filepath.Base(m.Path)] = true
	}
	if len(seen) == len(models) {
		for _, m := range models {
			m.Name = filepath.Base(m.Path)
		}
	}
}

// Chain returns the network of linear layers with ReLUs between them that a model's tensors are, whatever their names: matrices
// that fit one behind the other, each with a vector of its outputs or without. The reason says why there is none.
func Chain(layout *tensor.Layout) (net *relu.Network, reason string) {
	var layers []relu.Layer
	outputs, inputs := 0, 0
	for i := 0; i < layout.Len(); i++ {
		w := layout.At(i)
		if len(w.Shape) != 2 {
			return nil, fmt.Sprintf("tensor %s %v is not a linear layer's weight", w.Name, w.Shape)
		}
		if outputs != 0 && w.Shape[1] != outputs {
			return nil, fmt.Sprintf("tensor %s takes %d inputs, the layer before it has %d outputs", w.Name, w.Shape[1], outputs)
		}
		if outputs != 0 {
			layers = append(layers, relu.ReLU{})
		} else {
			inputs = w.Shape[1]
		}
		outputs = w.Shape[0]
		bias := i+1 < layout.Len() && slices.Equal(layout.At(i+1).Shape, []int{outputs})
		if bias {
			i++
		}
		layers = append(layers, relu.Linear{In: w.Shape[1], Out: outputs, Bias: bias})
	}
	net, err := relu.New(layers, []int{inputs}, relu.CrossEntropy)
	if err != nil {
		return nil, err.Error()
	}
	return net, ""
}
