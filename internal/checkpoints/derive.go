package checkpoints

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// DeriveSpec returns the spec of models of the layout on data, which are what a spec says behind "data:". The network is the one of
// linear layers and ReLUs that the tensors are; set are overrides, as of its activation. The training set is one shard.
func DeriveSpec(layout *tensor.Layout, data string, set []string) (*spec.Spec, error) {
	model, err := deriveModel(layout)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("data: %s\nmodel: %s\nlocal: {batch: 10}\nshards: {count: 1}\n", data, model)
	return spec.Parse("--data", []byte(text), set)
}

func deriveModel(layout *tensor.Layout) (string, error) {
	if width, ok := shallowWidth(layout); ok {
		return fmt.Sprintf("{shallow: {width: %d}}", width), nil
	}
	net, reason := Chain(layout)
	if net == nil {
		return "", fmt.Errorf("the tensors are no chain of linear layers: %s; --layers names the layers in the order of the forward pass, "+
			"and a spec with model: layers: names any other network", reason)
	}
	var hidden []string
	bias := 0
	for i := range layout.Len() {
		if v := layout.At(i); len(v.Shape) == 2 {
			hidden = append(hidden, fmt.Sprint(v.Shape[0]))
		} else {
			bias++
		}
	}
	if bias != 0 && bias != len(hidden) {
		return "", fmt.Errorf("%d of %d linear layers have a bias: a spec with model: layers: names such a network", bias, len(hidden))
	}
	return fmt.Sprintf("{mlp: {hidden: [%s], bias: %v}}", strings.Join(hidden[:len(hidden)-1], ", "), bias > 0), nil
}

// CheckDerived says where data have other inputs or outputs than models of the layout, whose network was derived.
func CheckDerived(layout *tensor.Layout, inputs, outputs int) error {
	first, last := layout.At(0).Shape, 0
	for i := range layout.Len() {
		if v := layout.At(i); len(v.Shape) == 2 {
			last = v.Shape[0]
		}
	}
	if width, shallow := shallowWidth(layout); shallow {
		first, last = []int{width, layout.At(0).Shape[1]}, layout.At(layout.Len() - 1).Shape[0]
	}
	if first[1] != inputs || last != outputs {
		return fmt.Errorf("the data have %d inputs and %d outputs, the model has %d and %d", inputs, outputs, first[1], last)
	}
	return nil
}

// shallowWidth tells whether tensors are a shallow network's with a skip connection, as export names them.
func shallowWidth(layout *tensor.Layout) (int, bool) {
	if layout.At(0).Name != "0.body.0.weight" || len(layout.At(0).Shape) != 2 || layout.Len() != 5 {
		return 0, false
	}
	net, err := skipping(layout)
	return layout.At(0).Shape[0], err == nil && slices.EqualFunc(net.Layout().Descs(), layout.Descs(), func(a, b tensor.Desc) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	})
}

// skipping is the network that shallowWidth looks for.
func skipping(layout *tensor.Layout) (*relu.Network, error) {
	w := layout.At(0).Shape
	out := layout.At(layout.Len() - 1).Shape[0]
	return relu.New(relu.Shallow{Input: w[1], Width: w[0], Output: out, Skip: true}.Layers(), []int{w[1]}, relu.MSE)
}
