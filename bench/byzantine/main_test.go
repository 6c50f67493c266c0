package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tiny is an experiment of a moment: ten shards, of which three send what drives the mean away.
const tiny = `
rounds: 5
data: {synthetic: {gaussian: {train: 200, test: 200, inputs: 4, classes: 2, spread: 2}}}
shards: {count: 10}
model: {mlp: {hidden: [8]}}
local: {epochs: 2}
faults: {byzantine: {fraction: 0.3, attack: {label_flip: {}}}}
`

func tinySpec(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The table has a line for each run, and two attacks ruin the mean and no other rule.
func TestEveryRuleMeetsEveryAttack(t *testing.T) {
	output := filepath.Join(t.TempDir(), "x.svg")
	if err := run(context.Background(), []string{"-spec", tinySpec(t, tiny), "-o", output, "-seeds", "2"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	mean := meansOf(t, strings.TrimSuffix(output, ".svg")+".csv")
	if len(mean) != 7*5 {
		t.Fatalf("%d cells: %v", len(mean), mean)
	}
	for cell, accuracy := range mean {
		ruined := cell == "fedavg sign_flip" || cell == "fedavg scaled_noise"
		if ruined != (accuracy < 0.7) {
			t.Errorf("%s comes to %g", cell, accuracy)
		}
	}
	svg, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(svg, &struct{}{}); err != nil || !bytes.Contains(svg, []byte("3 of 10 shards attack")) {
		t.Errorf("%v\n%s", err, svg)
	}
}

// meansOf returns the mean accuracy by rule and attack.
func meansOf(t *testing.T, path string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || !slices.Equal(lines[0], []string{"rule", "attack", "seed", "test_accuracy"}) || len(lines) != 1+7*5*2 {
		t.Fatalf("%v, %d lines:\n%s", err, len(lines), text)
	}
	mean := make(map[string]float64)
	for _, line := range lines[1:] {
		accuracy, err := strconv.ParseFloat(line[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		mean[line[0]+" "+line[1]] += accuracy / 2
	}
	return mean
}

// A run that diverges is no error, and no number either.
func TestADivergedRunIsSaid(t *testing.T) {
	e, err := newExperiment(tinySpec(t, strings.Replace(tiny, "epochs: 2", "epochs: 2, optimizer: {sgd: {lr: 1e9}}", 1)), 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	e.rules, e.attacks = e.rules[:1], e.attacks[:1]
	table, err := e.measure(context.Background(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table.writeCSV(&out); err != nil || !strings.HasSuffix(out.String(), "fedavg,none,1,diverged\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if heat := table.figure().Panels[0].Heat; !math.IsNaN(heat.Values[0][0]) || !heat.Framed[0][0] {
		t.Errorf("drawn as %+v", heat)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	peaceful := tinySpec(t, tiny[:strings.Index(tiny, "faults")])
	for want, args := range map[string][]string{
		"ends in .svg":          {"-o", "x.png"},
		"want at least 1":       {"-seeds", "0"},
		"want flags only":       {"more"},
		"no such file":          {"-spec", "none.yaml"},
		"want faults.byzantine": {"-spec", peaceful},
	} {
		if err := run(context.Background(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := run(ended, []string{"-spec", tinySpec(t, tiny), "-o", filepath.Join(t.TempDir(), "x.svg")}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v from a cancelled context", err)
	}
}
