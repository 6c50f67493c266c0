package view_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/npz"
)

// measuredRounds are rounds 0 to 2 of the fixture, with the singular values of a layer in the last.
func measuredRounds() []*record.RoundHistory {
	var rounds []*record.RoundHistory
	for n := range 3 {
		m := testMeasured(n)
		if n == 2 {
			m.Layers[0].Spectrum.Values = []float64{2, 1, 0.5}
		}
		rounds = append(rounds, &record.RoundHistory{Round: testRound(n), Measured: &m})
	}
	return rounds
}

func TestLongTable(t *testing.T) {
	var out bytes.Buffer
	if err := view.WriteLongTable(&out, testRun(t, record.Completed, "seed: 7\n"), measuredRounds()); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], view.LongColumns()) {
		t.Errorf("columns %v", rows[0])
	}
	var lines []string
	for _, row := range rows[1:] {
		lines = append(lines, strings.Join(row, ","))
	}
	for _, want := range []string{
		"run0,7,0,,,,test_accuracy,0.5,", "run0,7,1,,,,test_accuracy,0.51,mean", "run0,7,1,,,,train_loss,0.25,", "run0,7,2,,,,drift_rel,0.41,mean",
		"run0,7,2,,,0,drift,0.5,mean", "run0,7,2,,,1,flips,0.125,mean", "run0,7,2,,3,,probe,20,", "run0,7,2,,,0.weight,model.rank,8,mean",
		"run0,7,2,,,0.weight,model.effective_rank,6.25,mean", "run0,7,0,,,0.weight,model.rank,8,",
		"run0,7,2,,3,0.weight,rank.0.01,8,", "run0,7,2,2,,,divergence,0.75,", "run0,7,2,,,,heterogeneity,-0.5,mean",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not in the table:\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

func TestSpectra(t *testing.T) {
	var out bytes.Buffer
	if n, err := view.WriteSpectra(&out, measuredRounds()); err != nil || n != 1 {
		t.Fatalf("%d arrays, %v", n, err)
	}
	f, err := npz.Open(bytes.NewReader(out.Bytes()), int64(out.Len()), "spectra")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Array("2/0.weight")
	if err != nil || a.DType != npz.F8 || !slices.Equal(a.Shape, []int{3}) {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestPandasReadsIt runs the example for Python, where pandas is installed.
func TestPandasReadsIt(t *testing.T) {
	python := ""
	for _, candidate := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(candidate, "-c", "import numpy, pandas").Run() == nil {
			python = candidate
			break
		}
	}
	if python == "" {
		t.Skip("no python3 here has numpy and pandas (Debian: python3-pandas)")
	}
	dir := t.TempDir()
	var table, spectra bytes.Buffer
	if err := view.WriteLongTable(&table, testRun(t, record.Completed, ""), measuredRounds()); err != nil {
		t.Fatal(err)
	}
	if _, err := view.WriteSpectra(&spectra, measuredRounds()); err != nil {
		t.Fatal(err)
	}
	csvPath, npzPath := filepath.Join(dir, "run.csv"), filepath.Join(dir, "spectra.npz")
	for path, content := range map[string][]byte{csvPath: table.Bytes(), npzPath: spectra.Bytes()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(python, "../../../examples/read_table.py", csvPath, npzPath).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"test_accuracy", "drift_rel", "0.41", "2/0.weight largest singular values [2.  1.  0.5] of 3"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}
