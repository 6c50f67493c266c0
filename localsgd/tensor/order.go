package tensor

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// stateDict is the order of names that are no numbers, where torch's state_dict() has one: inside a layer, and of a
// residual layer's parts.
var stateDict = []string{"weight", "bias", "running_mean", "running_var", "body", "shortcut"}

// CompareNames orders the names of tensors as torch's state_dict() does: layers by index, inside a layer weight, bias,
// running_mean, running_var, in a residual layer the body before the shortcut. Names that no such layer has come in the order
// of their letters, after those.
func CompareNames(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), compareParts)
}

func compareParts(a, b string) int {
	ai, aErr := strconv.ParseUint(a, 10, 31)
	bi, bErr := strconv.ParseUint(b, 10, 31)
	if aErr == nil && bErr == nil {
		return cmp.Or(cmp.Compare(ai, bi), strings.Compare(a, b))
	}
	return cmp.Or(cmp.Compare(partRank(a, aErr), partRank(b, bErr)), strings.Compare(a, b))
}

// partRank is 0 for a number, what stateDict knows in its order, and the rest last.
func partRank(part string, notNumber error) int {
	if notNumber == nil {
		return 0
	}
	if i := slices.Index(stateDict, part); i >= 0 {
		return 1 + i
	}
	return 1 + len(stateDict)
}
