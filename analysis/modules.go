package analysis

import (
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Module is a layer with parameters, weight and bias together: what entries per layer are about (M2).
type Module struct {
	Name  string        // of the layer, as in its tensors' names: "0", "3.body.1"
	Views []tensor.View // its parameters, in the order of the layout; no buffers
}

// Modules returns the layers of the layout that have parameters, in its order.
func Modules(layout *tensor.Layout) []Module {
	var modules []Module
	for i := range layout.Len() {
		view := layout.At(i)
		if view.Buffer {
			continue
		}
		name := moduleName(view.Name)
		if last := len(modules) - 1; last >= 0 && modules[last].Name == name {
			modules[last].Views = append(modules[last].Views, view)
			continue
		}
		modules = append(modules, Module{Name: name, Views: []tensor.View{view}})
	}
	return modules
}

// moduleName returns the name of the layer that a tensor belongs to: "0" for "0.weight".
func moduleName(tensor string) string {
	if dot := strings.LastIndexByte(tensor, '.'); dot >= 0 {
		return tensor[:dot]
	}
	return tensor
}

// ModuleSample is a Sample of one layer's parameters.
type ModuleSample struct {
	Name string
	Sample
}

// CompareModules is Compare for each layer by itself, in the order of Modules. Squares add up: those of Compare are the sums
// over the layers, up to rounding.
func CompareModules(shard int, layout *tensor.Layout, end, model Point) ([]ModuleSample, error) {
	_, samples, err := compareAll(shard, layout, end, model)
	return samples, err
}

// compareAll is Compare and CompareModules in one pass over the numbers.
func compareAll(shard int, layout *tensor.Layout, end, model Point) (Sample, []ModuleSample, error) {
	var whole moments
	var samples []ModuleSample
	for _, module := range Modules(layout) {
		var total moments
		for _, view := range module.Views {
			addTensor(end.of(view), model.of(view), &whole, &total)
		}
		if name := total.notFinite(); name != "" {
			return Sample{}, nil, fmt.Errorf("drift of shard %d, layer %s: %s: %w", shard, module.Name, name, ErrNotFinite)
		}
		samples = append(samples, ModuleSample{module.Name, total.sample(shard)})
	}
	return whole.sample(shard), samples, nil
}

// ModuleDrift is the Drift of one layer.
type ModuleDrift struct {
	Name string
	*Drift
}

// CombineModules is Combine for each layer: shards[k] holds the samples of one measured shard as CompareModules returns
// them, each with its Weight. Besides what Combine refuses, it fails with ErrSamples if the shards differ in their layers.
func CombineModules(shards [][]ModuleSample) ([]ModuleDrift, error) {
	if len(shards) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrSamples)
	}
	var all []ModuleDrift
	for i, module := range shards[0] {
		var samples []Sample
		for _, shard := range shards {
			if len(shard) != len(shards[0]) || shard[i].Name != module.Name {
				return nil, fmt.Errorf("%w: the shards were measured in different layers", ErrSamples)
			}
			samples = append(samples, shard[i].Sample)
		}
		d, err := Combine(samples)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", module.Name, err)
		}
		all = append(all, ModuleDrift{module.Name, d})
	}
	return all, nil
}
