package relu

// MLP is a multilayer network of equal activations: linear layers of the widths Hidden, each followed by a norm, if there
// is one, and an activation, and a linear layer to Output. Without Hidden it is a linear model.
type MLP struct {
	Input    int   // numbers per example
	Hidden   []int // widths of the hidden layers
	Output   int
	NoBias   bool
	Slope    float64 // of the activation: 0 is ReLU
	Norm     Norm
	Residual bool // every hidden layer but the first is the body of a residual layer
}

// Norm is a norm of hidden layers.
type Norm int

// The norms, with PyTorch's defaults.
const (
	NoNorm Norm = iota
	BatchNorms
	LayerNorms
)

// PyTorch's defaults of norms.
const (
	DefaultEps      = 1e-5
	DefaultMomentum = 0.1
)

// layers returns the norm of a layer of this width, which may be nothing.
func (n Norm) layers(width int) []Layer {
	switch n {
	case BatchNorms:
		return []Layer{BatchNorm{Features: width, Dims: 1, Eps: DefaultEps, Momentum: DefaultMomentum}}
	case LayerNorms:
		return []Layer{LayerNorm{Features: width, Eps: DefaultEps}}
	}
	return nil
}

// Layers returns the layers of torch.nn.Sequential(Linear, ReLU, Linear, ReLU, ..., Linear): the linear ones are 0, 2, 4, ...;
// with a norm 0, 3, 6, ... With Residual those between the first and the last activation are inside residual layers 2, 3,
// ... (3, 4, ... with a norm), whose shortcut is a linear layer without bias where the width changes.
func (m MLP) Layers() []Layer {
	var layers []Layer
	in := m.Input
	for i, width := range m.Hidden {
		hidden := []Layer{Linear{In: in, Out: width, Bias: !m.NoBias}}
		hidden = append(append(hidden, m.Norm.layers(width)...), ReLU{Slope: m.Slope})
		if m.Residual && i > 0 {
			hidden = []Layer{Residual{Body: hidden, Shortcut: project(in, width)}}
		}
		layers = append(layers, hidden...)
		in = width
	}
	return append(layers, Linear{In: in, Out: m.Output, Bias: !m.NoBias})
}

// project returns the shortcut between widths.
func project(in, out int) []Layer {
	if in == out {
		return nil
	}
	return []Layer{Linear{In: in, Out: out}}
}
