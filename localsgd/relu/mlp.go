package relu

// MLP is a multilayer network of equal activations: linear layers of the widths Hidden, each followed by an activation,
// and a linear layer to Output. Without Hidden it is a linear model.
type MLP struct {
	Input  int   // numbers per example
	Hidden []int // widths of the hidden layers
	Output int
	NoBias bool
	Slope  float64 // of the activation: 0 is ReLU
}

// Layers returns the layers of torch.nn.Sequential(Linear, ReLU, Linear, ReLU, ..., Linear): the linear ones are 0, 2, 4, ...
func (m MLP) Layers() []Layer {
	var layers []Layer
	in := m.Input
	for _, width := range m.Hidden {
		layers = append(layers, Linear{In: in, Out: width, Bias: !m.NoBias}, ReLU{Slope: m.Slope})
		in = width
	}
	return append(layers, Linear{In: in, Out: m.Output, Bias: !m.NoBias})
}
