// Package checkpoints measures models that lie in safetensors files, whoever trained them: every matrix by itself, several
// models beside each other, and, where a network and data are known, what the models compute.
//
// Rules. Measurements are those of analysis, by the conventions M1 to M20 of PAPERS.md 0.4; nothing is trained and no file is
// changed. Tensors have the names that their file gives them; their order is that of torch's state_dict() with numbers in names
// counted (fc2 before fc10), or the one that is asked for; convolutions are measured as out x (in kh kw), and running statistics not
// at all. Activations have their numbers in the network. A number that does not exist is nil, and what is not measured at all has a
// note. Nothing depends on the number of threads.
//
// Names. A quantity that the long table of a run has (package study, record.Drift) has its name here, for a file in place of a
// shard's model: "rank.0.001", "units.dead", "variation". The mean of all files is the model "average", what runs compare local models
// with; a file after another counts as a round ("round_rel") and as an epoch ("dist"), which only who wrote them knows. Quantities that no run has:
//
//	norm                       of all parameters
//	energy.10                  part of ||W||^2 in the ten largest singular values (M9); up to five a run has, too
//	gradient_norm              of the loss on the probe
//	distance, distance_rel     of two models, the latter by the root of the product of their norms
//	params_cosine              of two models' parameters ("cosine" is that of gradients, M5)
//	barrier.alpha              where the barrier is, 0 at the first model; barrier.aligned.alpha
//	update.turn                cosine of the step to a file and the step from it to the next
package checkpoints

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/workload"
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

// Open reads checkpoints, which must have the same tensors if there are several. layers, if any, names all layers in the order of the
// network. Errors name the file.
func Open(paths []string, layers []string) ([]*Model, error) {
	var models []*Model
	for _, path := range paths {
		m, err := open(path, layers)
		if err != nil {
			return nil, fmt.Errorf("reading a checkpoint: %w", err)
		}
		if len(models) > 0 {
			if err := SameTensors(models[0], m); err != nil {
				return nil, err
			}
		}
		models = append(models, m)
	}
	shorten(models)
	return models, nil
}

func open(path string, layers []string) (*Model, error) {
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
	if err := f.Read(m.Block); err != nil {
		return nil, err
	}
	return m.inOrder(layers)
}

// SameTensors returns an error that wraps ErrShapes unless two models have the same tensors.
func SameTensors(a, b *Model) error {
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
