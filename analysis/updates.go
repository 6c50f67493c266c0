package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Update is what one shard's update d_k = end_k - start says beside the mean update d = mean - start, with no gradient. Three
// numbers a shard are all that has to be kept or sent.
type Update struct {
	Shard  int
	Weight float64 // p_k up to a common factor; set by who combines, CompareUpdate leaves it 0
	Norm   float64 // ||d_k||_2
	Mean   float64 // ||d||_2
	Dot    float64 // <d_k, d>
}

// CompareUpdate measures one shard's update. The blocks have one layout, are not changed or kept, and nothing of their size
// is allocated. The differences are exact to float64. A parameter that is NaN or infinite gives ErrNotFinite.
func CompareUpdate(shard int, layout *tensor.Layout, start, end, mean []float32) (Update, error) {
	var norm, all, dot float64
	for i := range layout.Len() {
		v := layout.At(i)
		if v.Buffer {
			continue
		}
		for from := v.Offset; from < v.Offset+v.Size; from += sumBlock {
			to := min(from+sumBlock, v.Offset+v.Size)
			n, a, d := updateBlock(start[from:to], end[from:to], mean[from:to])
			norm, all, dot = norm+n, all+a, dot+d
		}
	}
	for _, sum := range []float64{norm, all} {
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			return Update{}, fmt.Errorf("update of shard %d: %w", shard, ErrNotFinite)
		}
	}
	return Update{Shard: shard, Norm: math.Sqrt(norm), Mean: math.Sqrt(all), Dot: dot}, nil
}

// updateBlock returns ||d_k||^2, ||d||^2 and <d_k, d> over one block.
func updateBlock(start, end, mean []float32) (norm, all, dot float64) {
	for i, s := range start {
		dk, d := float64(end[i])-float64(s), float64(mean[i])-float64(s)
		norm += float64(dk * dk)
		all += float64(d * d)
		dot += float64(dk * d)
	}
	return norm, all, dot
}

// Updates is how well the updates of a round agree, over its measured shards. A nil number does not exist.
type Updates struct {
	Shards    []int
	Cosines   []*float64 // of each update with the mean update, nil where one of them is 0
	Cosine    *float64   // sum p_k cosine_k over the shards that have one, p_k rescaled to them
	Diversity *float64   // sum p_k ||d_k||^2 / ||d||^2: 1 where all updates are equal, K where K equal ones are orthogonal
	NormRatio *float64   // ||d|| / sum p_k ||d_k||: 1 where all point one way, 0 where they cancel
}

// CombineUpdates brings the updates of one round together, in any order; each must carry its Weight. With all participants
// measured, V of M6 is (Diversity - 1) ||d||^2. It fails with ErrSamples if there is none, a shard is there twice, a weight is
// not positive, a number is not finite, or the mean updates differ.
func CombineUpdates(updates []Update) (*Updates, error) {
	sorted := slices.SortedFunc(slices.Values(updates), func(a, b Update) int { return cmp.Compare(a.Shard, b.Shard) })
	if err := checkUpdates(sorted); err != nil {
		return nil, err
	}
	var u Updates
	var weight, norms, squares, cosines, with float64
	for _, s := range sorted {
		u.Shards = append(u.Shards, s.Shard)
		weight += s.Weight
		norms += float64(s.Weight * s.Norm)
		squares += float64(s.Weight * s.Norm * s.Norm)
		cosine := s.cosine()
		u.Cosines = append(u.Cosines, cosine)
		if cosine != nil {
			cosines += float64(s.Weight * *cosine)
			with += s.Weight
		}
	}
	mean := sorted[0].Mean
	u.Cosine = ratio(cosines, with)
	u.Diversity = ratio(squares/weight, mean*mean)
	u.NormRatio = ratio(mean, norms/weight)
	return &u, nil
}

func (u Update) cosine() *float64 {
	c := ratio(u.Dot, u.Norm*u.Mean)
	if c != nil {
		*c = max(-1, min(1, *c))
	}
	return c
}

func checkUpdates(sorted []Update) error {
	if len(sorted) == 0 {
		return fmt.Errorf("%w: there is none", ErrSamples)
	}
	for i, u := range sorted {
		switch {
		case i > 0 && u.Shard == sorted[i-1].Shard:
			return fmt.Errorf("%w: shard %d is there twice", ErrSamples, u.Shard)
		case !(u.Weight > 0 && u.Weight <= 1e30):
			return fmt.Errorf("%w: shard %d has weight %v", ErrSamples, u.Shard, u.Weight)
		case !(u.Norm >= 0 && u.Norm <= 1e50 && u.Mean >= 0 && u.Mean <= 1e50 && math.Abs(u.Dot) <= 1e100):
			return fmt.Errorf("%w: shard %d has norms %v and %v and product %v", ErrSamples, u.Shard, u.Norm, u.Mean, u.Dot)
		case u.Mean != sorted[0].Mean:
			return fmt.Errorf("%w: shards %d and %d were measured at different means", ErrSamples, sorted[0].Shard, u.Shard)
		}
	}
	return nil
}
