package checkpoints

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Options say how models are measured.
type Options struct {
	Ranks analysis.RankOptions
	Align bool   // measure barriers also with hidden units in the best order
	Start *Model // where all models began; nil: not known
}

// Measure measures models, which Open returned together. subject is nil where no data are known.
func Measure(ctx context.Context, models []*Model, subject *Subject, opts Options) (*Report, error) {
	m := &meter{Report: &Report{}, opts: opts, subject: subject, net: subject.network(), layout: models[0].Layout, models: models}
	err := m.prepare()
	if err != nil {
		return nil, err
	}
	for _, model := range models {
		one, err := m.model(ctx, model)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", model.Name, err)
		}
		m.Models = append(m.Models, *one)
	}
	if subject == nil {
		m.note("no accuracy, activity, entropy, barrier, gradients, noise and drift: they need --data")
		if m.net != nil {
			m.note("the network is taken for linear layers with ReLUs between them, in this order: " + strings.Join(modules(m.layout), ", "))
		}
	}
	mean := models[0].Block
	if len(models) > 1 {
		if mean, err = m.together(ctx); err != nil {
			return nil, fmt.Errorf("measuring models together: %w", err)
		}
	}
	if opts.Start != nil {
		if err := m.fromStart(mean); err != nil {
			return nil, err
		}
	}
	return m.Report, nil
}

// meter measures models of one layout.
type meter struct {
	*Report
	opts      Options
	subject   *Subject
	net       *relu.Network // nil: not known
	layout    *tensor.Layout
	models    []*Model
	workspace analysis.Workspace
}

// prepare finds the network of tensors that come without one.
func (m *meter) prepare() error {
	if start := m.opts.Start; start != nil {
		if err := SameTensors(m.models[0], start); err != nil {
			return err
		}
	}
	if m.subject != nil {
		m.Notes = append(m.Notes, m.subject.Notes...)
		return nil
	}
	var reason string
	if m.net, reason = Chain(m.layout); m.net == nil {
		m.note("no path norm and no distance from the identity: the network is not known (" + reason + "); --data with a spec names it, --layers the order of layers")
	}
	return nil
}

func (m *meter) model(ctx context.Context, model *Model) (*Measured, error) {
	layers, err := m.workspace.Layers(ctx, m.layout, model.Block, m.opts.Ranks)
	if err != nil {
		return nil, err
	}
	at := Place{Model: model.Name}
	m.sayLayers(at, layers)
	m.say("norm", at, length(m.layout, model.Block))
	if err := m.ofNetwork(at, model.Block); err != nil {
		return nil, err
	}
	if m.subject != nil {
		if err := m.works(ctx, at, model.Block); err != nil {
			return nil, err
		}
	}
	return &Measured{Name: model.Name, Hash: model.Hash, Values: len(model.Block), Layers: layers}, nil
}
