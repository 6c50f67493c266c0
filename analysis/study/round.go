package study

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/averaging"
	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// study is one Study at work.
type study struct {
	name    Study
	tasks   bool                        // it needs the ends of the tasks
	observe func(*measurement) observer // it looks at the tasks' steps; nil: it does not
	measure func(context.Context, *measurement) error
}

// studies are in the order in which they are measured.
var studies = []study{
	{name: Updates, tasks: true, measure: measureUpdates},
	{name: Drift, tasks: true, measure: measureDrift},
	{name: LocalRanks, tasks: true, measure: measureLocalRanks},
	{name: LocalSpectra, tasks: true, measure: measureLocalSpectra},
	{name: Noise, observe: observeSteps, measure: measureNoise},
	{name: Fluctuation, observe: observeSpectra, measure: measureFluctuation},
	{name: Units, tasks: true, measure: measureUnits},
	{name: Entropy, observe: observeEntropies, measure: measureEntropy},
	{name: Identity, measure: measureIdentity},
	{name: ZeroInputs, measure: measureZeroInputs},
	{name: Norms, tasks: true, measure: measureNorms},
	{name: Curve, tasks: true, measure: measureCurve},
	{name: Barrier, tasks: true, measure: measureBarrier},
	{name: Alignment, tasks: true, measure: measureAlignment},
	{name: Sawtooth, measure: measureSawtooth},
	{name: Heterogeneity, measure: measureHeterogeneity},
	{name: Prediction, tasks: true, measure: measurePrediction},
	{name: NullModel, tasks: true, measure: measureNullModel},
}

// Round measures a round: it repeats the tasks of the measured shards as far as the wanted studies need them, and returns what they
// read, in the order of the studies, and what they could not. It fails with ErrInput if the input does not fit together, with
// the context's error when that ends it, and if a task diverges, which it then did in the round, too.
func Round(ctx context.Context, in Input) ([]Reading, []Missing, error) {
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	m := &measurement{Input: in}
	if reason := cmp.Or(Refuses(in.Job, in.Algorithm), in.lacks()); reason != "" {
		for _, s := range in.Want {
			m.miss(string(s), reason)
		}
		return nil, m.missing, nil
	}
	if err := m.run(ctx); err != nil {
		return nil, nil, fmt.Errorf("measuring round %d: %w", in.Plan.Round, err)
	}
	return m.readings, m.missing, nil
}

// measurement is a Round at work.
type measurement struct {
	Input
	readings []Reading
	missing  []Missing

	weights []float64 // of the measured shards
	start   []float32 // the models
	next    []float32
	model   []float32   // what local models are compared with, see Input.Model
	ends    [][]float32 // of the measured shards, where a study wants them

	workspace analysis.Workspace
	seen      map[Study]observer
	drift     *DriftMeter
	test      *evaluation
	noises    map[int]*noise.Noise // by shard
	halves    *analysis.Heterogeneity
	layers    map[int][]analysis.Layer // of the ends, by shard, and of the model, as Average
}

func (m *measurement) run(ctx context.Context) error {
	m.prepare()
	var wanted []study
	needed := false
	for _, s := range studies {
		if !slices.Contains(m.Want, s.name) {
			continue
		}
		wanted = append(wanted, s)
		if s.observe != nil {
			m.seen[s.name] = s.observe(m)
		}
		needed = needed || s.tasks || s.observe != nil
	}
	if needed || m.Model() == Mean && !m.Algorithm.Rule.TakesMean() {
		if err := m.train(ctx); err != nil {
			return err
		}
	}
	m.compareWith()
	for _, s := range wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		said := len(m.readings)
		if err := s.measure(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		m.keepWithin(s.name, said)
	}
	return nil
}

// keepWithin takes back what a study has said beyond Most: the studies that fit are kept whole.
func (m *measurement) keepWithin(name Study, before int) {
	if n := len(m.readings); m.Most > 0 && n > m.Most {
		m.readings = m.readings[:before]
		m.miss(string(name), fmt.Sprintf("its %d numbers and the %d before them are more than the %d that a record takes: measure fewer shards", n-before, before, m.Most))
	}
}

func (m *measurement) prepare() {
	n := m.net().Parameters()
	m.start, m.next = m.Start[:n], m.Next[:n]
	m.seen, m.noises = make(map[Study]observer), make(map[int]*noise.Noise)
	m.layers = make(map[int][]analysis.Layer)
	for _, k := range m.Shards {
		task, _ := m.planned(k)
		m.weights = append(m.weights, task.Weight.Float())
	}
	m.Epsilon = cmp.Or(m.Epsilon, 0.001)
	m.Every, m.Draws, m.Evaluated = cmp.Or(m.Every, 1), cmp.Or(m.Draws, 20), cmp.Or(m.Evaluated, 1000)
}

// compareWith sets the model that local models are compared with.
func (m *measurement) compareWith() {
	m.model = m.next
	if m.Model() == Mean && !m.Algorithm.Rule.TakesMean() {
		mean := averaging.NewMean(len(m.next))
		for i, end := range m.ends {
			mean.Add(m.weights[i], end)
		}
		m.model = make([]float32, len(m.next))
		mean.Write(m.model)
	}
}

// average returns the place of numbers of the average model.
func (m *measurement) average() place { return whole.against(m.Model()) }

// meanOf names the mean of so many measured local models.
func (m *measurement) meanOf(models int) string {
	if models == len(m.Plan.Tasks) {
		return Mean
	}
	return Measured
}

// layout returns the model's layout.
func (m *measurement) layout() *tensor.Layout { return m.net().Layout() }

func (m *measurement) ranks() analysis.RankOptions {
	return analysis.RankOptions{Epsilon: m.Epsilon, MaxSide: m.MaxSide}
}

// task returns the task of the i-th measured shard.
func (m *measurement) task(i int) localsgd.Task {
	planned, _ := m.planned(m.Shards[i])
	return localsgd.Task{Round: m.Plan.Round, Shard: planned.Shard, Steps: planned.Steps}
}

// probe returns the examples of a shard's probe.
func (m *measurement) probe(k int) []int32 {
	return shard.Probe(m.Job.Seed, k, m.Job.Shards[k], m.Probe)
}

// say notes a number; one that is not finite does not exist.
func (m *measurement) say(quantity string, at place, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		m.miss(quantity, "it is not finite")
		return
	}
	m.readings = append(m.readings, Reading{quantity, at.layer, at.shard, at.step, at.model, value})
}

// sayIf notes a number that may not exist.
func (m *measurement) sayIf(quantity string, at place, value *float64, reason string) {
	if value == nil {
		if at.layer != "" {
			reason = at.layer + ": " + reason
		}
		m.miss(quantity, reason)
		return
	}
	m.say(quantity, at, *value)
}

// sayMean notes the mean over the measured shards (M19) if all of them have the number: a mean over some would be of other shards.
// Where one has none, its own reason was noted.
func (m *measurement) sayMean(quantity string, at place, values []*float64) {
	var all []float64
	for _, v := range values {
		if v != nil {
			all = append(all, *v)
		}
	}
	if len(all) == len(m.Shards) {
		m.say(quantity, at, m.mean(all))
	}
}

// miss notes a reason, once.
func (m *measurement) miss(quantity, reason string) {
	if one := (Missing{quantity, reason}); !slices.Contains(m.missing, one) {
		m.missing = append(m.missing, one)
	}
}

// mean returns the mean over the measured shards (M19).
func (m *measurement) mean(values []float64) float64 {
	sum, total := 0.0, 0.0
	for i, v := range values {
		sum += m.weights[i] * v
		total += m.weights[i]
	}
	return sum / total
}
