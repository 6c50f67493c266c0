package bounds

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Law is something that cannot be otherwise: where a record says that it was, training, measurement or law are wrong.
type Law string

// The laws that are looked at in every record.
const (
	// CertificateLaw: the eps-rank of a model is at most what its certificate says (1.3.2).
	CertificateLaw Law = "certificate"
	// LocalCertificateLaw: the eps-rank of a local model at the end of its round is at most what its certificate says (1.3.3).
	LocalCertificateLaw Law = "certificate of local models"
	// DecayLaw: columns at inputs that are zero in the whole training set decay by their factor, but for rounding (P3.8).
	DecayLaw Law = "decay of columns at zero inputs"
	// OptimumLaw: no shallow network has an objective below the exact optimum (P5).
	OptimumLaw Law = "exact optimum"
)

// solved is by how much of itself the computed optimum may exceed the exact one, ten times what its solver allows.
const solved = 1e-5

// Violation is a law that was broken.
type Violation struct {
	Law         Law
	Round       int
	Layer       string  // empty: the whole model
	Shard       int     // of a local model's certificate; 0 otherwise
	Rank, Bound int     // of a certificate; 0 otherwise
	Measured    float64 // of the other laws, what is at most or, of an optimum, at least Allowed
	Allowed     float64
}

// String says it loudly.
func (v Violation) String() string {
	const report = "Training, measurement or %s are wrong: please report this"
	if v.Law == CertificateLaw {
		return fmt.Sprintf("CERTIFICATE VIOLATED in round %d: the rank of %s is %d, the theorem allows at most %d. "+report,
			v.Round, v.Layer, v.Rank, v.Bound, "certificate")
	}
	if v.Law == LocalCertificateLaw {
		return fmt.Sprintf("CERTIFICATE VIOLATED in round %d: the rank of shard %d's %s is %d, the theorem allows at most %d. "+report,
			v.Round, v.Shard, v.Layer, v.Rank, v.Bound, "certificate")
	}
	where := "the model"
	if v.Layer != "" {
		where = v.Layer
	}
	return fmt.Sprintf("EXACT LAW BROKEN in round %d: %s of %s: measured %g, allowed %g. "+report, v.Round, v.Law, where, v.Measured, v.Allowed, "law")
}

// Violations returns the laws that the rounds have broken, with what Of has said of them.
func (l Layers) Violations(rounds []*record.RoundHistory) []Violation {
	var all []Violation
	for _, r := range rounds {
		all = append(all, Broken(r, l[r.Number])...)
	}
	return all
}

// Broken returns the laws that one round has broken, with what a Follower has said of it.
func Broken(r *record.RoundHistory, predicted map[string]Layer) []Violation {
	if r.Measured == nil {
		return nil
	}
	var all []Violation
	for _, m := range r.Measured.Layers {
		if c := predicted[m.Name].Certificate; c.Violated {
			all = append(all, Violation{Law: CertificateLaw, Round: r.Number, Layer: m.Name, Rank: m.Spectrum.Rank, Bound: c.Bound})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(predicted)) {
		for _, l := range predicted[name].Locals {
			if c := l.Certificate; c.Violated {
				all = append(all, Violation{Law: LocalCertificateLaw, Round: r.Number, Layer: name, Shard: l.Shard, Rank: l.Rank, Bound: c.Bound})
			}
		}
	}
	said := make(map[string]study.Reading)
	for _, reading := range r.Measured.Readings {
		if reading.Shard == study.Average && reading.Step == study.Whole {
			said[reading.Quantity] = reading
		}
	}
	off, measured := said["zero_inputs.off"]
	if limit, ok := said["zero_inputs.rounding"]; ok && measured && off.Value > limit.Value {
		all = append(all, Violation{Law: DecayLaw, Round: r.Number, Layer: off.Layer, Measured: off.Value, Allowed: limit.Value})
	}
	objective, measured := said["objective"]
	if best, ok := said["optimum.objective"]; ok && measured && objective.Value < best.Value*(1-solved) {
		all = append(all, Violation{Law: OptimumLaw, Round: r.Number, Measured: objective.Value, Allowed: best.Value})
	}
	return all
}
