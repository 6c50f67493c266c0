package study

import (
	"context"
	"fmt"

	"github.com/fedrelu/fedrelu/analysis/noise"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// fluctuations collect the singular values of each weight over the steps of each task.
type fluctuations struct {
	m     *measurement
	every int
	tasks [][]*noise.Fluctuation // by weight; nil where it is too large
}

// mostLooks bounds the steps of the longest task whose singular values are taken: every weight's at every step would take as long as
// hundreds of steps of training.
const mostLooks = 30

func observeSpectra(m *measurement) observer {
	longest := 0
	for i := range m.Shards {
		longest = max(longest, m.Job.Steps(m.task(i)))
	}
	return &fluctuations{m: m, every: max(m.Every, (longest+mostLooks-1)/mostLooks)}
}

func (f *fluctuations) task(int) {
	var weights []*noise.Fluctuation
	for range f.m.weightViews() {
		weights = append(weights, &noise.Fluctuation{})
	}
	f.tasks = append(f.tasks, weights)
}

func (f *fluctuations) step(step int, last bool, _, after []float32) error {
	if step%f.every != 0 && !last {
		return nil
	}
	for i, v := range f.m.weightViews() {
		if f.m.tooLarge(v) {
			continue
		}
		rows, cols, _ := v.Matrix()
		s, err := f.m.workspace.Values(tensor.Of(after, v), rows, cols)
		if err != nil {
			return fmt.Errorf("singular values of %s: %w", v.Name, err)
		}
		f.tasks[len(f.tasks)-1][i].Add(s)
	}
	return nil
}

// measureFluctuation says "fluctuation": how much the singular values of each weight fluctuate over the local steps, by shard
// and as the mean. "fluctuation.every" says which steps: its multiples, and the last.
func measureFluctuation(_ context.Context, m *measurement) error {
	seen := m.seen[Fluctuation].(*fluctuations)
	m.say("fluctuation.every", whole, float64(seen.every))
	for i, v := range m.weightViews() {
		if m.tooLarge(v) {
			m.miss("fluctuation", v.Name+": its smaller side exceeds the bound")
			continue
		}
		var all []*float64
		for j, k := range m.Shards {
			relative := seen.tasks[j][i].Relative()
			m.sayIf("fluctuation", of(k).in(v.Name), relative, "fewer than two steps were looked at, or the weight is 0")
			all = append(all, relative)
		}
		m.sayMean("fluctuation", whole.in(v.Name), all)
	}
	return nil
}

// weightViews returns the weights that have ranks.
func (m *measurement) weightViews() (views []tensor.View) {
	for i := range m.layout().Len() {
		if v := m.layout().At(i); !v.Buffer {
			if _, _, matrix := v.Matrix(); matrix {
				views = append(views, v)
			}
		}
	}
	return views
}

// tooLarge tells whether no singular values of a weight are taken.
func (m *measurement) tooLarge(v tensor.View) bool {
	rows, cols, _ := v.Matrix()
	return m.MaxSide > 0 && min(rows, cols) > m.MaxSide
}
