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

// DerivedActivation is the path of the activation in a derived spec, where the layout has one.
func DerivedActivation(layout *tensor.Layout) string {
	if model, err := deriveModel(layout); err == nil && strings.HasPrefix(model, "{shallow") {
		return "model.shallow.activation"
	}
	return "model.mlp.activation"
}

func deriveModel(layout *tensor.Layout) (string, error) {
	if width, ok := shallowWidth(layout); ok {
		return fmt.Sprintf("{shallow: {width: %d}}", width), nil
	}
	net, reason := Chain(layout)
	if net == nil {
		return "", fmt.Errorf("the tensors are no chain of linear layers: %s; --layers names the layers (%s) in the order of the forward pass, "+
			"and a spec with model: layers: names any other network", reason, strings.Join(modules(layout), ","))
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
	if w := layout.At(0).Shape; len(hidden) == 2 && bias == 2 && w[1] == 1 && hidden[1] == "1" {
		return fmt.Sprintf("{shallow: {width: %d, skip: false}}", w[0]), nil // the same tensors, and a penalty on the path norm
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
	if net, err := skipping(layout); err != nil || !slices.EqualFunc(net.Layout().Descs(), layout.Descs(), sameTensor) {
		return 0, false
	}
	return layout.At(0).Shape[0], true
}

func sameTensor(a, b tensor.Desc) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) }

// skipping is the network that shallowWidth looks for: of the width, inputs and outputs of the first and the last tensor.
func skipping(layout *tensor.Layout) (*relu.Network, error) {
	w, last := layout.At(0), layout.At(layout.Len()-1)
	if w.Name != "0.body.0.weight" || len(w.Shape) != 2 || len(last.Shape) != 2 {
		return nil, fmt.Errorf("%s and %s are not of a shallow network", w.Name, last.Name)
	}
	return relu.New(relu.Shallow{Input: w.Shape[1], Width: w.Shape[0], Output: last.Shape[0], Skip: true}.Layers(), w.Shape[1:], relu.MSE)
}
