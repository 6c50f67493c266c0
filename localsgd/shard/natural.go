package shard

import (
	"fmt"
	"slices"
)

// Natural gives every shard whole groups of the training set (Set.Groups): the examples of one user, hospital or device stay
// together. With as many shards as there are groups, shard k is the k-th group; with fewer, a keyed permutation of the
// groups is cut into runs whose lengths differ by at most one (longer ones first). Every example is used. With a limit, the
// groups are those of the examples within it.
type Natural struct {
	By string // what the groups are called where the data come from; the loader has read them
}

func (Natural) String() string { return "natural" }
func (Natural) random() bool   { return false }

func (p Natural) assign(in *input) ([]int32, error) {
	if in.groups == nil {
		return nil, fmt.Errorf("needs groups by %q, and the training set has none", p.By)
	}
	groups := group(in.groups, int(slices.Max(in.groups))+1)
	groups = slices.DeleteFunc(groups, func(examples []int32) bool { return len(examples) == 0 })
	if in.count > len(groups) {
		return nil, fmt.Errorf("%d shards of %d groups by %q, want 1 to %d", in.count, len(groups), p.By, len(groups))
	}
	order := make([]int32, len(groups))
	for i := range order {
		order[i] = int32(i)
	}
	if in.count < len(groups) {
		in.stream(p, 0).Shuffle(order)
	}
	owners := make([]int32, in.n)
	for k := range in.count {
		from, to := part(len(groups), in.count, k)
		for _, g := range order[from:to] {
			for _, i := range groups[g] {
				owners[i] = int32(k)
			}
		}
	}
	return owners, nil
}
