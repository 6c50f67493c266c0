package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// choice is a row or a column of the table, as changes of the spec.
type choice struct {
	name    string // key in a spec, in the CSV
	shown   string // in the figure
	changes []string
}

// experiment is a spec and all that is put in its places.
type experiment struct {
	path          string
	text          []byte
	spec          *spec.Spec // as written
	data          shard.Data
	rules         []choice
	attacks       []choice
	seeds, rounds int
	attackers     int
}

// newExperiment reads the spec and loads its data. Rounds 0 are those of the spec.
func newExperiment(path string, seeds, rounds int) (*experiment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the spec: %w", err)
	}
	s, err := spec.Parse(path, text, nil)
	if err != nil {
		return nil, err
	}
	if s.Byzantine.Attack == nil {
		return nil, fmt.Errorf("%s: nobody attacks: want faults.byzantine", path)
	}
	e := &experiment{path: path, text: text, spec: s, seeds: seeds, rounds: rounds}
	if rounds == 0 {
		e.rounds = s.Rounds
	}
	for _, attacks := range s.Byzantine.Attackers(s.Seed, s.Shards.Count) {
		if attacks {
			e.attackers++
		}
	}
	e.rules, e.attacks = ruleChoices(e.attackers, s.Shards.Count), attackChoices()
	e.data, err = workload.Load(s.Source(), "", shard.Training|shard.Testing)
	return e, err
}

// ruleChoices are the rows, for so many attackers among so many shards.
func ruleChoices(attackers, shards int) []choice {
	f, beta := attackers, float64(attackers)/float64(shards)
	rule := func(name, shown, parameters string) choice {
		return choice{name, shown, []string{fmt.Sprintf("server={%s: {%s}}", name, parameters)}}
	}
	return []choice{
		rule("fedavg", "fedavg", ""),
		rule("norm_clipping", "norm_clipping", ""),
		rule("median", "median", ""),
		rule("trimmed_mean", fmt.Sprintf("trimmed_mean %g", beta), fmt.Sprintf("beta: %g", beta)),
		rule("krum", fmt.Sprintf("krum f=%d", f), fmt.Sprintf("f: %d", f)),
		rule("multi_krum", fmt.Sprintf("multi_krum f=%d", f), fmt.Sprintf("f: %d", f)),
		rule("geometric_median", "geometric_median", ""),
	}
}

// attackChoices are the columns.
func attackChoices() []choice {
	attack := func(name, parameters string) choice {
		return choice{name, name, []string{fmt.Sprintf("faults.byzantine.attack={%s: {%s}}", name, parameters)}}
	}
	return []choice{
		{"none", "none", []string{"faults.byzantine.fraction=0"}},
		attack("sign_flip", "scale: 4"),
		attack("scaled_noise", "scale: 100"),
		attack("label_flip", ""),
		attack("same_value", "value: 1"),
	}
}

// table is what came out: accuracies by rule, attack and seed, NaN where the run diverged.
type table struct {
	*experiment
	accuracy [][][]float64
}

// measure makes all runs.
func (e *experiment) measure(ctx context.Context, progress io.Writer) (table, error) {
	t := table{experiment: e}
	for _, rule := range e.rules {
		var row [][]float64
		for _, attack := range e.attacks {
			cell, err := e.cell(ctx, append(rule.changes, attack.changes...))
			if err != nil {
				return t, fmt.Errorf("%s under %s: %w", rule.name, attack.name, err)
			}
			row = append(row, cell)
			_, _ = fmt.Fprintf(progress, "%-16s %-12s %.4f\n", rule.name, attack.name, cell)
		}
		t.accuracy = append(t.accuracy, row)
	}
	return t, nil
}

// cell makes a run for each seed, and returns their accuracies.
func (e *experiment) cell(ctx context.Context, changes []string) (cell []float64, err error) {
	for seed := 1; seed <= e.seeds; seed++ {
		accuracy, err := e.accuracy(ctx, append([]string{fmt.Sprint("seed=", seed)}, changes...))
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
		cell = append(cell, accuracy)
	}
	return cell, nil
}

// accuracy makes one run and returns the test accuracy of its last model, NaN if a task diverged.
func (e *experiment) accuracy(ctx context.Context, changes []string) (float64, error) {
	s, err := spec.Parse(e.path, e.text, changes)
	if err != nil {
		return 0, err
	}
	job, err := workload.Job(s, e.data)
	if err != nil {
		return 0, err
	}
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	model, err := runner.Run(ctx, e.rounds, nil)
	var diverged *localsgd.DivergedError
	if errors.As(err, &diverged) {
		return math.NaN(), nil
	}
	if err != nil {
		return 0, err
	}
	score, err := localsgd.NewEvaluator(job.Net, e.data.Test, 1).Evaluate(ctx, model)
	return score.Accuracy, err
}
