package checkpoints

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// inOrder returns the model with its tensors in the order of layers, or where there are none in that of their names. Files of
// safetensors have no order of their own.
func (m *Model) inOrder(layers []string) (*Model, error) {
	known := modules(m.Layout)
	if len(layers) > 0 && (len(layers) != len(known) || slices.ContainsFunc(known, func(name string) bool { return !slices.Contains(layers, name) })) {
		return nil, fmt.Errorf("%s: %w: --layers %s, want all of %s in the order of the network", m.Path, ErrShapes, strings.Join(layers, ","), strings.Join(known, ","))
	}
	descs := slices.Clone(m.Layout.Descs())
	slices.SortStableFunc(descs, func(a, b tensor.Desc) int {
		if len(layers) > 0 {
			return cmp.Or(cmp.Compare(slices.Index(layers, moduleOf(a.Name)), slices.Index(layers, moduleOf(b.Name))), tensor.CompareNames(a.Name, b.Name))
		}
		return tensor.CompareNames(counted(a.Name), counted(b.Name))
	})
	layout, err := tensor.NewLayout(descs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path, err)
	}
	block := make([]float32, len(m.Block))
	for i := range layout.Len() {
		from, _ := m.Layout.Lookup(layout.At(i).Name)
		copy(tensor.Of(block, layout.At(i)), tensor.Of(m.Block, from))
	}
	ordered := *m
	ordered.Layout, ordered.Block = layout, block
	return &ordered, nil
}

// counted makes numbers at the ends of words parts of their own, so that fc2 comes before fc10.
func counted(name string) string {
	var out strings.Builder
	before := '.'
	for _, r := range name {
		if unicode.IsDigit(r) && before != '.' && !unicode.IsDigit(before) {
			out.WriteByte('.')
		}
		out.WriteRune(r)
		before = r
	}
	return out.String()
}
