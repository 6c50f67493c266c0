package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Model is the network and its start: exactly one of the presets and Layers is set. The presets' inputs and outputs are
// empty: they come from the data.
type Model struct {
	MLP     *relu.MLP
	CNN     *relu.CNN
	ResNet  *relu.ResNet
	Shallow *relu.Shallow
	Layers  []relu.Layer
	Init    relu.Initializer // nil where there is File
	File    string           // of the model to start from, safetensors; empty where Init draws it
}

// Network returns the spec's network for the examples of set, of which it needs Shape and Outputs.
func (s *Spec) Network(set *shard.Set) (*relu.Network, error) {
	network, err := relu.New(s.Model.layers(set), set.Shape, s.Loss, relu.Smoothing(s.Smoothing))
	if err != nil {
		return nil, fmt.Errorf("building the spec's model for examples of shape %v: %w", set.Shape, err)
	}
	return network, nil
}

// layers returns the layers for the examples of set.
func (m Model) layers(set *shard.Set) []relu.Layer {
	switch {
	case m.MLP != nil:
		mlp := *m.MLP
		mlp.Input, mlp.Output = set.Size(), set.Outputs
		return mlp.Layers()
	case m.CNN != nil:
		return relu.CNN{Input: set.Shape, Output: set.Outputs}.Layers()
	case m.ResNet != nil:
		resnet := *m.ResNet
		resnet.Input, resnet.Output = set.Shape, set.Outputs
		return resnet.Layers()
	case m.Shallow != nil:
		shallow := *m.Shallow
		shallow.Input, shallow.Output = set.Size(), set.Outputs
		return shallow.Layers()
	}
	return m.Layers
}
