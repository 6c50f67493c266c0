package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Model is the network and its start: exactly one of MLP and Layers is set.
type Model struct {
	MLP    *relu.MLP // Input and Output are 0: they come from the data
	Layers []relu.Layer
	Init   relu.Init
}

// Network returns the spec's network for the examples of set, of which it needs Shape and Outputs.
func (s *Spec) Network(set *shard.Set) (*relu.Network, error) {
	layers := s.Model.Layers
	if s.Model.MLP != nil {
		mlp := *s.Model.MLP
		mlp.Input, mlp.Output = set.Size(), set.Outputs
		layers = mlp.Layers()
	}
	network, err := relu.New(layers, set.Shape, s.Loss)
	if err != nil {
		return nil, fmt.Errorf("building the spec's model for examples of shape %v: %w", set.Shape, err)
	}
	return network, nil
}
