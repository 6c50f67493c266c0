package bounds

import (
	"path"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// newTrace begins to follow a weight that is measured after a round for the first time.
func newTrace(s *spec.Spec, l *record.Layer, round int) *trace {
	local := s.Local
	decay, spared := local.SGD.WeightDecay, local.SGD.NoDecay
	if local.AdamW != nil {
		decay, spared = local.AdamW.WeightDecay, local.AdamW.NoDecay
	}
	if matches(spared, l.Name) || matches(local.Freeze, l.Name) {
		decay = 0
	}
	t := &trace{
		decay: decay, proximal: local.ProxMu, server: serverRate(s.Server), initial: l.Spectrum.Values, initialRound: round,
		setting: theory.Setting{
			SGD: local.AdamW == nil, Momentum: local.SGD.Momentum, Decayed: decay > 0, Regularized: local.PathNorm != 0,
			ClippedUpdates: local.ClipUpdate != 0, Personal: matches(local.Personal, l.Name), Rule: s.Server.Name(), ServerLR: serverRate(s.Server),
		},
	}
	t.layer, t.shapeless = shapeOf(l)
	if s.Byzantine.Attack != nil {
		t.excluded = "some shards attack"
	}
	return t
}

// serverRate returns the learning rate of the rules that the theorem covers, 1 for the others.
func serverRate(rule localsgd.Rule) float64 {
	switch r := rule.(type) {
	case localsgd.FedAvg:
		return r.LR
	case localsgd.Scaffold:
		return r.LR
	}
	return 1
}

// matches tells whether one of the spec's globs fits a tensor's name.
func matches(globs []string, name string) bool {
	for _, glob := range globs {
		if ok, err := path.Match(glob, name); ok && err == nil {
			return true
		}
	}
	return false
}
