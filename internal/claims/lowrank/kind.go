package lowrank

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// kindOf returns where a weight stands in its network, by its name and shape.
func kindOf(view tensor.View) string {
	switch {
	case strings.Contains(view.Name, ".shortcut"):
		return "shortcut"
	case strings.Contains(view.Name, ".body."):
		return "residual"
	case len(view.Shape) > 2:
		return "conv"
	}
	return "linear"
}

// worst collects the largest measurement of each kind of layer.
type worst map[string]float64

func (w worst) add(kind string, value float64) {
	old, seen := w[kind]
	if !seen || !(value <= old) { // NaN stays
		w[kind] = value
	}
}

// all returns the largest of all.
func (w worst) all() claims.Worst {
	var top claims.Worst
	for _, v := range w {
		top.Add(v)
	}
	return top
}

// String lists the kinds: "conv 1e-16, linear 2e-16".
func (w worst) String() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(w)) {
		parts = append(parts, fmt.Sprintf("%s %.2g", kind, w[kind]))
	}
	return strings.Join(parts, ", ")
}
