package view_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/npz"
)

// studiedRounds are rounds 0 to 2 of the fixture with what checks.local_ranks says in the last, where spectra are kept.
func studiedRounds() []*record.RoundHistory {
	rounds := measuredRounds()
	m := rounds[2].Measured
	of := func(quantity string, shard int, value float64) {
		m.Readings = append(m.Readings, study.Reading{Quantity: quantity, Layer: "0.weight", Shard: shard, Value: value})
	}
	of("rank", study.Average, 2)
	of("rank", 0, 1)
	of("rank", 3, 2)
	of("rank.0.001", study.Average, 8)
	of("rank.0.001", 0, 7)
	of("rank.0.001", 3, 8)
	of("rank.0.01", study.Average, 5)
	of("effective_rank", study.Average, 4.25)
	of("crossover", study.Average, 0.0012345)
	for _, shard := range []int{0, 3} {
		for i, v := range []float64{3, 2, float64(shard)} {
			m.Readings = append(m.Readings, study.Reading{Quantity: study.SingularValue, Layer: "0.weight", Shard: shard, Step: i + 1, Value: v})
		}
	}
	for i, v := range []float64{2.5, 1.5, 1} {
		m.Readings = append(m.Readings, study.Reading{Quantity: study.SingularValue, Layer: "0.weight", Shard: study.Average, Step: i + 1, Model: study.Mean, Value: v})
	}
	return rounds
}

// What averaging does to ranks is beside the eps at which it is predicted to change sides, in all that people and scripts read.
func TestLocalRanksBesideTheirCrossover(t *testing.T) {
	run, rounds := testRun(t, record.Completed, "checks: {rank: {epsilon: 0.2}}\n"), studiedRounds()
	var out bytes.Buffer
	if err := view.WriteRun(&out, run, rounds); err != nil {
		t.Fatal(err)
	}
	const want = `
ranks after round 2: of the average / of local models; eps* is where averaging is predicted to change sides
WEIGHT       EPS*   @0.001    @0.01  @0.05     @0.2  EFFECTIVE  BOUND@0.2
0.weight  0.00123  8 / 7.5  5 / 7.0  - / -  2 / 1.5  4.2 / 5.0      - / -
`
	if !strings.Contains(out.String(), want) {
		t.Errorf("%s\nis not in\n%s", want, out.String())
	}
	show, err := view.NewShow(run, rounds)
	if err != nil {
		t.Fatal(err)
	}
	layer := show.Rounds[1].Layers[0]
	s := layer.Local.Spectra
	if *layer.Crossover != 0.0012345 || len(s) != 3 || *s[1].Shard != 3 || !slices.Equal(s[1].Values, []float64{3, 2, 3}) || s[2].Shard != nil {
		t.Errorf("crossover %v, spectra of local models %+v", layer.Crossover, s)
	}
	if e := layer.Energy; len(e) != 2 || math.Abs(e[0]-4./9) > 1e-15 || math.Abs(e[1]-5./9) > 1e-15 {
		t.Errorf("energy %v of the values 2 and 1 in a norm of 3", e)
	}
	if slices.ContainsFunc(show.Rounds[1].Readings, func(r view.ShowReading) bool { return r.Quantity == study.SingularValue }) {
		t.Error("singular values are among the readings")
	}
	if show.Rounds[0].Layers[0].Crossover != nil || show.Rounds[0].Layers[0].Local.Spectra != nil {
		t.Errorf("a round without has %+v", show.Rounds[0].Layers[0])
	}
}

func TestSpectraOfLocalModels(t *testing.T) {
	var out bytes.Buffer
	if n, err := view.WriteSpectra(&out, studiedRounds()); err != nil || n != 4 {
		t.Fatalf("%d arrays, %v", n, err)
	}
	f, err := npz.Open(bytes.NewReader(out.Bytes()), int64(out.Len()), "spectra")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"2/0.weight", "2/shard0/0.weight", "2/shard3/0.weight", "2/mean/0.weight"} {
		if a, err := f.Array(name); err != nil || a.DType != npz.F8 || !slices.Equal(a.Shape, []int{3}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestTheTableHasNoSpectra(t *testing.T) {
	var out bytes.Buffer
	if err := view.WriteLongTable(&out, testRun(t, record.Completed, "seed: 7\n"), studiedRounds()); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, study.SingularValue) || !strings.Contains(text, "run0,7,2,,,0.weight,crossover,0.0012345,\n") ||
		!strings.Contains(text, "run0,7,2,,,0.weight,model.energy.2,0.5555555555555556,mean\n") {
		t.Errorf("the table is\n%s", text)
	}
}

// A certificate that bounds the local models stands beside their ranks.
func TestCertificatesOfLocalModels(t *testing.T) {
	s := "local: {epochs: 1, batch: 20, optimizer: {sgd: {lr: 0.1, weight_decay: 9.9}}}\n"
	run := testRun(t, record.Completed, s)
	run.ShardSizes = []int{20, 20, 20, 20}
	rounds := studiedRounds()
	for _, r := range rounds[1:] {
		r.Steps, r.Examples = 2, 40
	}
	for _, shard := range []int{0, 3} {
		for quantity, v := range map[string]float64{"rank": 6 + float64(shard), "frobenius": 3} {
			rounds[2].Measured.Readings = append(rounds[2].Measured.Readings, study.Reading{Quantity: quantity, Layer: "0.weight", Shard: shard, Value: v})
		}
	}
	show, err := view.NewShow(run, rounds)
	if err != nil {
		t.Fatal(err)
	}
	// 0.01 x 2 > 0.001 x 3 >= 0.01^2 x 2: two steps, of 20 examples of the shard's own and 40 of both, more than the 8 rows have directions.
	c := show.Rounds[1].Layers[0].Local.Certificates
	if len(c) != 2 || c[1].Shard != 3 || c[1].Rank != 9 || *c[1].N != 2 || *c[1].Bound != 8 || !*c[1].Vacuous || !*c[1].Violated || *c[0].Violated {
		t.Errorf("%+v", c)
	}
	var out bytes.Buffer
	if err := view.WriteRun(&out, run, rounds); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "vacuous / vacuous\n") || !strings.Contains(out.String(), "the rank of shard 3's 0.weight is 9") {
		t.Errorf("the run is\n%s", out.String())
	}
	out.Reset()
	if err := view.WriteLongTable(&out, run, rounds); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), ",2,,3,0.weight,rank.bound,8,\n") {
		t.Errorf("the table is\n%s", out.String())
	}
}
