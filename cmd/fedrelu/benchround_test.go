package main

import (
	"context"
	"errors"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// Every rule has a row of positive times, fedavg first with ratios of 1.
func TestBenchRoundHasEveryRule(t *testing.T) {
	all := benchModels
	defer func() { benchModels = all }()
	layers := relu.MLP{Input: 3, Hidden: []int{4}, Output: benchClasses}.Layers()
	benchModels = []benchModel{{"small", []int{3}, layers, localsgd.SGD{LR: 0.01}, nil}}
	bench, err := benchRules(context.Background(), "small", 6)
	if err != nil {
		t.Fatal(err)
	}
	rules := localsgd.Rules()
	if len(bench) != len(rules) {
		t.Fatalf("%d rows for %d rules", len(bench), len(rules))
	}
	for i, row := range bench {
		if row.Rule != rules[i].Name() || row.Parameters != 66 || row.Updates != 6 {
			t.Errorf("row %d is of something else: %+v", i, row)
		}
		for _, x := range []float64{row.AddMilliseconds, row.FinishMilliseconds, row.Ratio, row.TaskMilliseconds, row.TaskRatio} {
			if !(x > 0) {
				t.Errorf("%s: %v is not positive", row.Rule, x)
			}
		}
	}
	if bench[0].Rule != "fedavg" || bench[0].Ratio != 1 || bench[0].TaskRatio != 1 {
		t.Errorf("the first row is not what others are compared with: %+v", bench[0])
	}
}

func TestBenchRoundRefusesBadFlags(t *testing.T) {
	for _, c := range []struct {
		model   string
		updates int
		want    string
	}{
		{"3nn", 10, "--model 3nn: want one of 2nn, mlp-10x100, mlp-4x1024, cnn"},
		{"2nn", 4, "--updates 4: want 5 to 1000"},
		{"2nn", 1001, "--updates 1001: want 5 to 1000"},
	} {
		_, err := benchRules(context.Background(), c.model, c.updates)
		var coded *codeError
		if !errors.As(err, &coded) || coded.code != exitUsage || err.Error() != c.want {
			t.Errorf("--model %s --updates %d: got %v, want %s", c.model, c.updates, err, c.want)
		}
	}
	if _, err := benchRules(canceled(), "2nn", 5); !errors.Is(err, context.Canceled) {
		t.Errorf("%v from a cancelled context", err)
	}
}
