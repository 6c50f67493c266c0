package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrSamples is wrapped by every error of Combine: the samples cannot be those of one round.
var ErrSamples = errors.New("samples of drift do not fit together")

// Drift is the drift of a round over its measured shards (M5, M6, names of M20). p_k are the weights of the measured
// shards, scaled to sum 1. A nil number does not exist: its denominator is 0.
type Drift struct {
	Shards        []int    // measured, ascending
	Drift         float64  // sum p_k drift_k, drift_k = ||g_k(end_k) - g_k(model)||
	DriftRel      *float64 // sqrt(sum p_k drift_k^2 / sum p_k ||g_k(model)||^2): a ratio of means
	DriftMax      float64  // max drift_k
	Cosine        *float64 // sum p_k cos_k over the shards where both gradients differ from 0, p_k rescaled to them
	Divergence    float64  // V = sum p_k ||end_k - model||^2
	DivergenceRel *float64 // sqrt(V) / ||model||
	Lipschitz     *float64 // sum p_k drift_k/||end_k - model|| over the shards that moved, p_k rescaled to them (M6, M19)
}

// Combine brings the samples of one round together, in any order; each must carry its Weight. It fails with ErrSamples
// if there is none, a shard is there twice, a weight is not a positive number, a number is out of its range (samples come
// from other processes), or the samples were taken at models of different norm, which are different models.
func Combine(samples []Sample) (*Drift, error) {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b Sample) int { return cmp.Compare(a.Shard, b.Shard) })
	if err := checkSamples(sorted); err != nil {
		return nil, err
	}
	var d Drift
	for _, s := range sorted {
		d.Shards = append(d.Shards, s.Shard)
		d.DriftMax = max(d.DriftMax, s.Drift)
	}
	d.Drift = *mean(sorted, func(s Sample) (float64, bool) { return s.Drift, true })
	d.Divergence = *mean(sorted, func(s Sample) (float64, bool) { return s.Divergence, true })
	square := *mean(sorted, func(s Sample) (float64, bool) { return s.Drift * s.Drift, true })
	gradient := *mean(sorted, func(s Sample) (float64, bool) { return s.NormModel * s.NormModel, true })
	d.DriftRel = ratio(math.Sqrt(square), math.Sqrt(gradient))
	d.DivergenceRel = ratio(math.Sqrt(d.Divergence), sorted[0].NormModelParams)
	d.Cosine = mean(sorted, func(s Sample) (float64, bool) { return s.Cosine, s.HasCosine() })
	d.Lipschitz = mean(sorted, Sample.Lipschitz)
	return &d, nil
}

func checkSamples(sorted []Sample) error {
	if len(sorted) == 0 {
		return fmt.Errorf("%w: there is none", ErrSamples)
	}
	for i, s := range sorted {
		if err := s.check(); err != nil {
			return err
		}
		if i > 0 && s.Shard == sorted[i-1].Shard {
			return fmt.Errorf("%w: shard %d is there twice", ErrSamples, s.Shard)
		}
		if first := sorted[0]; s.NormModelParams != first.NormModelParams {
			return fmt.Errorf("%w: shard %d was measured at a model of norm %v, shard %d at one of norm %v",
				ErrSamples, first.Shard, first.NormModelParams, s.Shard, s.NormModelParams)
		}
	}
	return nil
}

// check refuses what no measurement can have given: sums over at most 2^32 squares of float32 values lie between 1e-91 and
// 1e87, or are 0. Within these ranges nothing in Combine overflows.
func (s Sample) check() error {
	for _, field := range []struct {
		name             string
		value, low, high float64
	}{
		{"weight", s.Weight, math.SmallestNonzeroFloat64, 1e30},
		{"drift", s.Drift, 0, 1e50},
		{"norm_end", s.NormEnd, 0, 1e50},
		{"norm_model", s.NormModel, 0, 1e50},
		{"cosine", s.Cosine, -1, 1},
		{"divergence", s.Divergence, 0, 1e100},
		{"norm_model_params", s.NormModelParams, 0, 1e50},
	} {
		if !(field.value >= field.low && field.value <= field.high) { // false for NaN too
			return fmt.Errorf("%w: shard %d has %s %v, want a number in [%g, %g]",
				ErrSamples, s.Shard, field.name, field.value, field.low, field.high)
		}
	}
	if s.Divergence > 0 && s.Divergence < 1e-100 {
		return fmt.Errorf("%w: shard %d has divergence %v, want 0 or more than 1e-100", ErrSamples, s.Shard, s.Divergence)
	}
	return nil
}

// mean returns the weighted mean of value over the samples that have one, nil if none has. It sums in the order given.
func mean(samples []Sample, value func(Sample) (float64, bool)) *float64 {
	var sum, weight float64
	for _, s := range samples {
		if v, ok := value(s); ok {
			sum += float64(s.Weight * v)
			weight += s.Weight
		}
	}
	return ratio(sum, weight)
}

// ratio returns a/b, nil for b = 0.
func ratio(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	q := a / b
	return &q
}
