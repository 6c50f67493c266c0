package relu_test

import (
	"encoding/json"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// referenceCase is case.json.
type referenceCase struct {
	Name         string
	Layers       []referenceLayer
	Loss         string
	Smoothing    float64 `json:"label_smoothing"`
	Batch, Steps int
	Optimizer    struct {
		SGD *torchSGD
	}
}

// referenceLayer is a mapping of one key.
type referenceLayer map[string]json.RawMessage

// referenceArguments are those of all kinds of layers together.
type referenceArguments struct {
	In, Out, Kernel, Padding int
	Stride                   *int
	Bias                     *bool
	Slope, Factor            float64
	Features, Groups, Dims   int
	Body, Shortcut           []referenceLayer
}

func orDefault[T any](value *T, standard T) T {
	if value == nil {
		return standard
	}
	return *value
}

func referenceLayers(t *testing.T, list []referenceLayer) []relu.Layer {
	t.Helper()
	var layers []relu.Layer
	for _, l := range list {
		for kind, text := range l {
			var a referenceArguments
			if err := json.Unmarshal(text, &a); err != nil {
				t.Fatal(err)
			}
			layers = append(layers, a.layer(t, kind))
		}
	}
	return layers
}

func (a referenceArguments) layer(t *testing.T, kind string) relu.Layer {
	t.Helper()
	const eps = 1e-5
	bias := orDefault(a.Bias, true)
	switch kind {
	case "linear":
		return relu.Linear{In: a.In, Out: a.Out, Bias: bias}
	case "conv2d":
		return relu.Conv2D{In: a.In, Out: a.Out, Kernel: a.Kernel, Stride: orDefault(a.Stride, 1), Padding: a.Padding, Bias: bias}
	case "relu":
		return relu.ReLU{}
	case "leaky_relu":
		return relu.ReLU{Slope: a.Slope}
	case "max_pool2d":
		return relu.MaxPool2D{Kernel: a.Kernel, Stride: orDefault(a.Stride, a.Kernel)}
	case "avg_pool2d":
		return relu.AvgPool2D{Kernel: a.Kernel, Stride: orDefault(a.Stride, a.Kernel)}
	case "flatten":
		return relu.Flatten{}
	case "batch_norm":
		return relu.BatchNorm{Features: a.Features, Dims: max(a.Dims, 1), Eps: eps, Momentum: 0.1}
	case "layer_norm":
		return relu.LayerNorm{Features: a.Features, Eps: eps}
	case "group_norm":
		return relu.GroupNorm{Groups: a.Groups, Features: a.Features, Eps: eps}
	case "scale":
		return relu.Scale{Factor: a.Factor}
	case "softplus":
		return relu.Softplus{}
	case "residual":
		return relu.Residual{Body: referenceLayers(t, a.Body), Shortcut: referenceLayers(t, a.Shortcut)}
	}
	t.Fatalf("no layer %q", kind)
	return nil
}

// network makes the case's network for examples of this shape.
func (c referenceCase) network(t *testing.T, input []int) *relu.Network {
	t.Helper()
	loss := map[string]relu.Loss{"cross_entropy": relu.CrossEntropy, "mse": relu.MSE}[c.Loss]
	net, err := relu.New(referenceLayers(t, c.Layers), input, loss, relu.Smoothing(c.Smoothing))
	if err != nil {
		t.Fatal(err)
	}
	return net
}
