package view

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/npz"
)

// localSpectrum is the singular values of one weight of one local model; a nil shard is the mean of the local models.
type localSpectrum struct {
	layer  string
	shard  *int
	values []float64
}

// localSpectra returns those of a round, in the order of layers and shards. They are readings, whose steps count the singular values.
func localSpectra(m *record.Measured) []localSpectrum {
	var all []localSpectrum
	last := study.Reading{}
	for _, r := range m.Readings {
		if r.Quantity != study.SingularValue {
			continue
		}
		if len(all) == 0 || r.Layer != last.Layer || r.Shard != last.Shard {
			all = append(all, localSpectrum{layer: r.Layer, shard: shardOf(r)})
		}
		all[len(all)-1].values = append(all[len(all)-1].values, r.Value)
		last = r
	}
	return all
}

func shardOf(r study.Reading) *int {
	if r.Shard == study.Average {
		return nil
	}
	return &r.Shard
}

// energies returns which part of ||W||_F^2 is in the first singular value, the first two, and so on (M9); 0 for a weight of zeros.
func energies(s *record.Spectrum) []float64 {
	all, sum := []float64{}, 0.0
	for _, v := range s.Top {
		if s.Frobenius > 0 {
			sum += v / s.Frobenius * (v / s.Frobenius)
		}
		all = append(all, min(sum, 1))
	}
	return all
}

// WriteSpectra writes the singular values that are kept of a run as a NumPy .npz file, and returns how many arrays there are: "ROUND/LAYER"
// of the round's model, "ROUND/shardK/LAYER" of local models, and "ROUND/mean/LAYER" of their mean where the round's model is another.
func WriteSpectra(w io.Writer, rounds []*record.RoundHistory) (int, error) {
	out, n := npz.NewWriter(w), 0
	for _, r := range rounds {
		if r.Measured == nil {
			continue
		}
		for _, l := range r.Measured.Layers {
			if l.Spectrum == nil || l.Spectrum.Values == nil {
				continue
			}
			if err := out.Add(fmt.Sprintf("%d/%s", r.Number, l.Name), l.Spectrum.Values); err != nil {
				return n, err
			}
			n++
		}
		for _, s := range localSpectra(r.Measured) {
			if err := out.Add(fmt.Sprintf("%d/%s/%s", r.Number, s.owner(), s.layer), s.values); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, out.Close()
}

// owner is the name of whose spectrum it is, as arrays have it.
func (s localSpectrum) owner() string {
	if s.shard == nil {
		return "mean"
	}
	return fmt.Sprintf("shard%d", *s.shard)
}
