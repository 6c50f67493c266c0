package checkpoints

import (
	"context"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/norm"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Report is all that was measured of checkpoints.
type Report struct {
	Models  []Measured
	Average *Measured // of several models: their mean with equal weights
	Pairs   []Pair    // of several models: each with each
	Spread  *Spread   // of several models
	Curve   []Measured
	Notes   []string // what was not measured, and why
}

// Measured is one model.
type Measured struct {
	Name   string
	Hash   tensor.Hash
	Values int
	Layers []analysis.Layer
	Norm   float64 // ||W||_2 of all parameters together, without running statistics
	Path   *float64
	Depth  *activity.Depth // distances from the identity; nil where the network has none
	Spline *Spline         // of shallow networks of one input
	Works  *Works          // what it computes; nil without data
}

// Spline is what a shallow network of one input is as a function (P5).
type Spline struct {
	Variation float64 // TV(f')
	Knots     int
	Balance   *float64
}

// Pair is two models beside each other.
type Pair struct {
	A, B     string
	Distance float64  // ||A - B||_2
	Relative *float64 // of the root of ||A|| ||B||
	Cosine   *float64
	Barrier  *averaging.Barrier // of the loss between them; nil without data
}

// Spread is how far several models are from their mean (M6).
type Spread struct {
	Divergence    float64    // mean of ||W_k - Wbar||^2
	DivergenceRel *float64   // its root, relative to ||Wbar||
	Cancellation  []*float64 // of each layer of Average.Layers: norm of the mean by the root mean square of the norms
	Agreement     []activity.Agreement
	Drift         *analysis.Drift
}

// Measure measures models, which Open returned together. subject is nil where no data are known.
func Measure(ctx context.Context, models []*Model, subject *Subject, opts analysis.RankOptions) (*Report, error) {
	r := &Report{}
	m := &meter{opts: opts, subject: subject, net: subject.network(), layout: models[0].Layout}
	if m.net == nil {
		var reason string
		if m.net, reason = Chain(m.layout); m.net == nil {
			r.Notes = append(r.Notes, "no path norm and no distance from the identity: the network is not known ("+reason+"); --data with a spec names it")
		}
	}
	for _, model := range models {
		one, err := m.model(ctx, model)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", model.Name, err)
		}
		r.Models = append(r.Models, *one)
	}
	if subject == nil {
		r.Notes = append(r.Notes, "no accuracy, activity, entropy, barrier, gradients and drift: they need --data")
	}
	if len(models) < 2 {
		return r, nil
	}
	if err := m.together(ctx, models, r); err != nil {
		return nil, fmt.Errorf("measuring models together: %w", err)
	}
	return r, nil
}

// meter measures models of one layout.
type meter struct {
	opts      analysis.RankOptions
	subject   *Subject
	net       *relu.Network // nil: not known
	layout    *tensor.Layout
	workspace analysis.Workspace
}

func (m *meter) model(ctx context.Context, model *Model) (*Measured, error) {
	layers, err := m.workspace.Layers(ctx, m.layout, model.Block, m.opts)
	if err != nil {
		return nil, err
	}
	out := &Measured{Name: model.Name, Hash: model.Hash, Values: len(model.Block), Layers: layers, Norm: length(m.layout, model.Block)}
	if err := m.ofNetwork(model, out); err != nil {
		return nil, err
	}
	if m.subject != nil {
		if out.Works, err = m.subject.works(ctx, model.Block); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ofNetwork measures what the shapes of a network give without data.
func (m *meter) ofNetwork(model *Model, out *Measured) error {
	if m.net == nil {
		return nil
	}
	path, err := norm.NewPath(m.net)
	if err == nil {
		v := path.Norm(model.Block)
		out.Path = &v
	}
	depth, err := activity.MeasureDepth(&m.workspace, m.net, model.Block)
	if err != nil {
		return err
	}
	if depth.Reason == "" && len(depth.Layers) > 0 {
		out.Depth = &depth
	}
	if u, err := norm.NewUnivariate(m.net, model.Block); err == nil {
		knots, v := u.Knots(), u.PathNorm() // M17: without the skip connection, which Path counts
		out.Path, out.Spline = &v, &Spline{norm.Variation(knots), len(knots), u.Balance(false)}
	}
	return nil
}

// together measures several models beside each other and their mean.
func (m *meter) together(ctx context.Context, models []*Model, r *Report) error {
	weights, blocks := make([]float64, len(models)), make([][]float32, len(models))
	for i, model := range models {
		weights[i], blocks[i] = 1/float64(len(models)), model.Block
	}
	meter := &averaging.Meter{Layout: m.layout, Ranks: m.opts, Workspace: &m.workspace}
	if m.subject != nil {
		meter.Score = m.subject.score(ctx)
	}
	moment, err := averaging.At(ctx, &averaging.Meter{Layout: m.layout, Ranks: m.opts, Workspace: &m.workspace}, weights, blocks)
	if err != nil {
		return err
	}
	r.Spread = &Spread{Divergence: moment.Divergence, DivergenceRel: moment.DivergenceRel, Cancellation: moment.Cancellation}
	curve, err := averaging.Curve(ctx, meter, weights, blocks)
	if err != nil {
		return err
	}
	for k, c := range curve {
		one := Measured{Name: fmt.Sprintf("mean of %d", k+1), Values: len(blocks[0]), Layers: c.Layers}
		if c.Loss != nil {
			one.Works = &Works{Loss: *c.Loss, Accuracy: m.subject.accuracy(*c.Accuracy)}
		}
		r.Curve = append(r.Curve, one)
	}
	mean := meanOf(blocks)
	if r.Average, err = m.model(ctx, &Model{Name: "average", Layout: m.layout, Block: mean}); err != nil {
		return err
	}
	if m.subject != nil {
		if r.Spread.Agreement, r.Spread.Drift, err = m.subject.compare(blocks, mean); err != nil {
			return err
		}
	}
	return m.pairs(ctx, models, r)
}

// mostPairs bounds how many pairs of models are looked at.
const mostPairs = 100

func (m *meter) pairs(ctx context.Context, models []*Model, r *Report) error {
	for i, a := range models {
		for _, b := range models[i+1:] {
			if len(r.Pairs) == mostPairs {
				r.Notes = append(r.Notes, fmt.Sprintf("only the first %d pairs of models are compared", mostPairs))
				return nil
			}
			p, err := m.pair(ctx, a, b)
			if err != nil {
				return err
			}
			r.Pairs = append(r.Pairs, p)
		}
	}
	return nil
}

func (m *meter) pair(ctx context.Context, a, b *Model) (Pair, error) {
	p := Pair{A: a.Name, B: b.Name}
	dot, difference := 0.0, 0.0
	for i := range m.layout.Len() {
		view := m.layout.At(i)
		if view.Buffer {
			continue
		}
		x, y := tensor.Of(a.Block, view), tensor.Of(b.Block, view)
		for j := range x {
			d := float64(x[j]) - float64(y[j])
			dot += float64(x[j]) * float64(y[j])
			difference += d * d
		}
	}
	p.Distance = math.Sqrt(difference)
	if scale := length(m.layout, a.Block) * length(m.layout, b.Block); scale > 0 {
		cosine, relative := max(-1, min(1, dot/scale)), p.Distance/math.Sqrt(scale)
		p.Cosine, p.Relative = &cosine, &relative
	}
	if m.subject == nil {
		return p, nil
	}
	loss, err := m.subject.recalibratedLoss(ctx)
	if err != nil {
		return p, err
	}
	p.Barrier, err = averaging.MeasureBarrier(a.Block, b.Block, loss)
	return p, err
}

func meanOf(blocks [][]float32) []float32 {
	out := make([]float32, len(blocks[0]))
	for i := range out {
		sum := 0.0
		for _, b := range blocks {
			sum += float64(b[i])
		}
		out[i] = float32(sum / float64(len(blocks)))
	}
	return out
}

// length is the norm of all parameters, without running statistics.
func length(layout *tensor.Layout, block []float32) float64 {
	sum := 0.0
	for i := range layout.Len() {
		if view := layout.At(i); !view.Buffer {
			for _, x := range tensor.Of(block, view) {
				sum += float64(x) * float64(x)
			}
		}
	}
	return math.Sqrt(sum)
}
