package averagingrank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/analysis/theory"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// How much of a model is looked at.
const (
	scored      = 2000 // examples of the training set, and of the test set
	glanced     = 1000 // test examples of members and of means of some of them
	sampleSizes = 64   // examples whose gradients' norms are averaged
)

// progress are the values of Lambda at which runs are measured on their way.
var progress = []float64{0.25, 0.5, 1, 1.5, 2, 2.5, 3}

// trained is what came of a cell: the last hidden weight of the average, of its members in the last round, and of the start.
type trained struct {
	cell
	initial, average []float64   // singular values
	members          [][]float64 // of each worker's model before it was averaged; nil for a single worker
	lambda           float64
	crossover        float64 // eps*, 0 where there is none
	divergence       float64 // sqrt(V)/||average|| over all parameters
	path             [2][]float64
	curve            [2][]float64 // effective rank and test accuracy of the mean of the first k members

	trainAccuracy, testAccuracy, memberAccuracy float64
}

func (t *trained) effective() float64 { return analysis.EffectiveRank(t.average) }

// memberEffective returns the mean effective rank of the members.
func (t *trained) memberEffective() float64 { return claims.MeanOf(t.members, analysis.EffectiveRank) }

// gated tells whether the average has learned its training set.
func (t *trained) gated() bool { return t.trainAccuracy >= gridGate }

// onset returns Lambda_c(eps) of the run.
func (t *trained) onset(eps float64) float64 {
	at, _ := theory.Onset(t.initial, analysis.Frobenius(t.average), eps)
	if at == nil {
		return math.Inf(1)
	}
	return *at
}

func (c cell) train(ctx context.Context, lab *claims.Lab) (*trained, error) {
	s, rounds, err := c.setting(lab)
	if err != nil {
		return nil, err
	}
	t := &trained{cell: c}
	hidden := claims.Hidden(s.Job.Net)
	m := &member{setting: s, view: hidden[len(hidden)-1]}
	start := s.Job.Start()
	t.initial = m.spectrum(start)
	perRound := c.decay * float64(s.Job.Local.Schedule.Steps)
	model, err := s.Runner().Run(ctx, rounds, func(f localsgd.RoundFacts, model []float32) error {
		t.lambda = perRound * float64(f.Plan.Round)
		if n := len(t.path[0]); n < len(progress) && t.lambda >= progress[n]-1e-9 {
			for n < len(progress) && t.lambda >= progress[n]-1e-9 {
				n++
			}
			t.path[0], t.path[1] = append(t.path[0], t.lambda), append(t.path[1], analysis.EffectiveRank(m.spectrum(model)))
		}
		if f.Plan.Round == rounds-1 {
			start = slices.Clone(model)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.average = m.spectrum(model)
	t.trainAccuracy, t.testAccuracy = s.TrainAccuracy(model, scored), s.TestAccuracy(model, scored)
	if at, _ := theory.Crossover(m.sampleSize(model)*s.Job.Local.SGD.LR/float64(c.batch), analysis.Frobenius(t.average), c.workers); at != nil {
		t.crossover = *at
	}
	if !c.alone() {
		err = t.look(ctx, m, rounds, start, model)
	}
	return t, errorsOf(err, m.err)
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("measuring: %w", err)
		}
	}
	return nil
}

// look measures the members of the last round.
func (t *trained) look(ctx context.Context, m *member, round int, start, model []float32) error {
	ends, err := m.setting.Ends(ctx, round, start)
	if err != nil {
		return err
	}
	mean, block := averaging.NewMean(len(model)), make([]float32, len(model))
	v := 0.0
	for k, end := range ends.Models {
		t.members = append(t.members, m.spectrum(end))
		t.memberAccuracy += m.setting.TestAccuracy(end, glanced) / float64(len(ends.Models))
		d := claims.Distance(end, model)
		v += ends.Weights[k] * d * d
		mean.Add(ends.Weights[k], end)
		mean.Write(block)
		t.curve[0] = append(t.curve[0], analysis.EffectiveRank(m.spectrum(block)))
		t.curve[1] = append(t.curve[1], m.setting.TestAccuracy(block, glanced))
	}
	t.divergence = math.Sqrt(v) / length(model)
	return nil
}

// member measures one weight of models.
type member struct {
	setting *claims.Setting
	view    tensor.View
	work    analysis.Workspace
	err     error
}

func (m *member) spectrum(params []float32) []float64 {
	rows, cols, _ := m.view.Matrix()
	s, err := m.work.Values(tensor.Of(params, m.view), rows, cols)
	if err != nil {
		m.err = err
	}
	return slices.Clone(s)
}

// sampleSize returns ||delta|| ||f||, the mean norm of one example's gradient in the weight.
func (m *member) sampleSize(params []float32) float64 {
	net := m.setting.Job.Net
	machine := relu.NewMachine[float32](net, sampleSizes)
	examples := m.setting.Job.Shards[0]
	batch := localsgd.Fill(machine, m.setting.Job.Data.Train, examples[:min(len(examples), sampleSizes)])
	for _, s := range noise.SampleSizes(machine, net.Layout(), params, batch) {
		if s.Name == m.view.Name {
			return s.Mean
		}
	}
	return math.NaN()
}
