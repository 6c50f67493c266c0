package checkpoints

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Chain returns the network of linear layers with ReLUs between them that a model's tensors are, whatever their names: matrices
// that fit one behind the other, each with a vector of its outputs or without. A shallow network with a skip connection is known by
// its names. The reason says why there is none.
func Chain(layout *tensor.Layout) (net *relu.Network, reason string) {
	if _, shallow := shallowWidth(layout); shallow {
		net, err := skipping(layout)
		if err != nil {
			return nil, err.Error()
		}
		return net, ""
	}
	var layers []relu.Layer
	outputs, inputs := 0, 0
	for i := 0; i < layout.Len(); i++ {
		w := layout.At(i)
		if reason := notLinear(w, outputs); reason != "" {
			return nil, reason
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

// notLinear says why a tensor is not the weight of a linear layer that takes so many inputs, 0: any number.
func notLinear(w tensor.View, inputs int) string {
	switch {
	case len(w.Shape) != 2:
		return fmt.Sprintf("tensor %s %v is not a linear layer's weight", w.Name, w.Shape)
	case strings.Contains(w.Name, ".shortcut."):
		return fmt.Sprintf("tensor %s is a residual layer's", w.Name)
	case inputs != 0 && w.Shape[1] != inputs:
		return fmt.Sprintf("tensor %s takes %d inputs, the layer before it has %d outputs", w.Name, w.Shape[1], inputs)
	}
	return ""
}

// moduleOf returns the layer that a tensor belongs to: "fc1" for "fc1.weight".
func moduleOf(name string) string {
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		return name[:dot]
	}
	return name
}

// modules returns the layers of a layout in their order.
func modules(layout *tensor.Layout) (names []string) {
	for _, d := range layout.Descs() {
		if name := moduleOf(d.Name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
