package bounds

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Layer is what is predicted of one weight after one round.
type Layer struct {
	Lambda      *float64 // decay budget: sum over the local steps so far of lr wd, mean over the participants (M13, M19); nil: unknown
	Onset       *float64 // Lambda_c(eps), the budget at which half of the initial eps-rank is gone; nil: OnsetReason
	OnsetReason string
	Certificate Certificate
	Locals      []Local // of each local model whose rank was measured, in the order of the record
}

// Certificate bounds the eps-rank of the model that a round made, at the threshold of its measured rank.
type Certificate struct {
	Reason  string // not empty: there is none, or it is vacuous, and why
	Applies bool   // there is one; the other fields count
	N       int    // local steps of each participant after which what was there before is below eps; rounds, if it were unequally many
	Bound   int    // eps-rank <= Bound
	Vacuous bool   // Bound is the smaller side
	// Violated: the measured rank is larger. It cannot be unless training, measurement or certificate are wrong.
	Violated bool
}

// Layers is what is predicted after each round whose layers were measured, by round and by name of the tensor.
type Layers map[int]map[string]Layer

// Of returns what is predicted of a run. rounds are all rounds of its chain, ascending from 0 on; the weights whose singular
// values were measured are in the result. It takes time proportional to layers times the square of rounds at worst.
func Of(run record.Run, rounds []*record.RoundHistory) (Layers, error) {
	f, err := Follow(run)
	if err != nil {
		return nil, err
	}
	all := make(Layers)
	for _, r := range rounds {
		if layers := f.Add(r); layers != nil {
			all[r.Number] = layers
		}
	}
	return all, nil
}

// Follower says what is predicted of a run while its rounds come in.
type Follower struct {
	course course
	next   int               // round
	traces map[string]*trace // by name of the tensor
}

// Follow begins before round 0.
func Follow(run record.Run) (*Follower, error) {
	s, err := spec.FromProto(run.Spec)
	if err != nil {
		return nil, fmt.Errorf("reading the spec of run %s: %w", run.ID, err)
	}
	return &Follower{
		course: course{spec: s, sizes: run.ShardSizes, uniform: true, whole: true}, traces: make(map[string]*trace),
	}, nil
}

// Add takes the next round with what was measured of it, and returns what is predicted of the weights whose singular values were,
// by name of the tensor, those of local models alone having nothing but Locals; nil if there are none. After a round that is left
// out nothing is known for sure.
func (f *Follower) Add(r *record.RoundHistory) map[string]Layer {
	if r.Number != f.next {
		f.course.reason = fmt.Sprintf("the record of round %d is missing", f.next)
	}
	f.next = r.Number + 1
	p := f.course.pass(&r.Round)
	if r.Measured == nil {
		f.pass(p)
		return nil
	}
	locals := f.locals(r, p) // what a local model remembers of earlier rounds is known before the round's own
	f.pass(p)
	var layers map[string]Layer
	for name, certified := range locals {
		if layers == nil {
			layers = make(map[string]Layer)
		}
		layers[name] = Layer{Locals: certified}
	}
	for i := range r.Measured.Layers {
		l := &r.Measured.Layers[i]
		if l.Spectrum == nil {
			continue
		}
		t := f.traces[l.Name]
		if t == nil {
			t = newTrace(f.course.spec, l, r.Number)
			f.traces[l.Name] = t
		}
		if layers == nil {
			layers = make(map[string]Layer)
		}
		said := t.say(&f.course, l)
		said.Locals = locals[l.Name]
		layers[l.Name] = said
	}
	return layers
}

func (f *Follower) pass(p passed) {
	for _, t := range f.traces {
		t.pass(p)
	}
}

// trace is what has to be remembered of one weight.
type trace struct {
	decay        float64 // weight decay that applies to it
	proximal     float64
	server       float64
	setting      theory.Setting
	excluded     string // why no certificate is possible, whatever comes
	layer        theory.Layer
	shapeless    string // not empty: layer is not known, and why
	initial      []float64
	initialRound int

	spans  []theory.Span // between rounds that were measured
	open   theory.Span   // since the last of these
	counts []count       // of spans
	since  count         // since the last measured round
	begun  bool
}

// count is how long a span is.
type count struct {
	rounds, steps int
	unequal       bool // the participants of a round made unequally many steps: there is no common index of them (1.3.4)
}

// length returns how long the last n spans are: in local steps, if these have a common index, else in rounds.
func length(counts []count, n int) int {
	var sum count
	for _, c := range counts[len(counts)-n:] {
		sum = count{sum.rounds + c.rounds, sum.steps + c.steps, sum.unequal || c.unequal}
	}
	if sum.unequal {
		return sum.rounds
	}
	return sum.steps
}

// pass goes on over a round.
func (t *trace) pass(p passed) {
	if p.reason == "" && t.begun {
		memory := theory.Memory{WeightDecay: t.decay, Proximal: t.proximal}
		t.open.Decay *= p.decay(memory, t.server)
		t.open.Samples += p.samples
		t.since.rounds++
		t.since.steps += p.steps[0]
		t.since.unequal = t.since.unequal || slices.ContainsFunc(p.steps, func(n int) bool { return n != p.steps[0] })
	}
}

// say is called after a round in which the weight was measured.
func (t *trace) say(c *course, l *record.Layer) Layer {
	s := l.Spectrum
	if t.begun {
		t.spans, t.counts = append(t.spans, t.open), append(t.counts, t.since)
	}
	t.begun, t.since = true, count{}
	t.open = theory.Span{Decay: 1, Spectral: s.Spectral}
	var out Layer
	if c.reason == "" {
		lambda := float64(t.decay * float64(c.rates))
		out.Lambda = &lambda
	}
	if t.initial == nil || t.initialRound != 0 {
		out.OnsetReason = "the singular values of the start model are not recorded"
	} else {
		out.Onset, out.OnsetReason = theory.Onset(t.initial, s.Frobenius, s.Epsilon)
	}
	out.Certificate = t.certify(c, l)
	return out
}

func (t *trace) certify(c *course, l *record.Layer) Certificate {
	if reason := t.excludes(c); reason != "" {
		return Certificate{Reason: "not applicable: " + reason}
	}
	bound := theory.Certify(t.layer, t.spans, l.Spectrum.Frobenius, l.Spectrum.Epsilon)
	return newCertificate(bound, length(t.counts, bound.N), l.Spectrum.Rank)
}

// excludes returns why there is no certificate after the rounds so far; empty if there is one.
func (t *trace) excludes(c *course) string {
	setting := t.setting
	setting.FullParticipation, setting.Uniform = c.whole, c.uniform
	return cmp.Or(t.excluded, setting.Excludes(), c.reason, t.shapeless)
}

func newCertificate(bound theory.Certificate, n, rank int) Certificate {
	return Certificate{Applies: true, N: n, Bound: bound.Bound, Vacuous: bound.Vacuous, Reason: bound.Reason, Violated: bound.Violated(rank)}
}

// shapeOf returns the matrix of a weight, or why it is not known.
func shapeOf(l *record.Layer) (theory.Layer, string) {
	shape := theory.Layer{Rows: l.Shape[0], Cols: 1, Positions: l.Positions}
	for _, n := range l.Shape[1:] {
		shape.Cols *= n
	}
	if l.Positions == 0 && len(l.Shape) == 2 {
		shape.Positions = 1 // linear layers are used once
	}
	if shape.Positions == 0 {
		return shape, "the build that recorded the run did not say at how many positions the layer is used"
	}
	return shape, ""
}
