package localsteps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
)

// t2Probe is how many examples of a shard show gates on T2.
const t2Probe = 100

// t2Widths are the widths of T2.
var t2Widths = []int{32, 128, 512}

// mnistFlipping is T2's half of P6.5, where with PyTorch's parametrisation nothing more is claimed than that flips fall with the
// width: for IID shards and for shards of two digits.
func mnistFlipping(ctx context.Context, lab *claims.Lab) (parts []*claims.Outcome, words string, err error) {
	seeds, widths, splits := claims.Seeds(claims.Pick(lab, 5, 10, 10)), t2Widths, []arm{arms[2], arms[1]}
	if _, err := lab.Setting("P6.6"); err != nil {
		return []*claims.Outcome{claims.Untested("T2: " + err.Error())}, "not measured", nil
	}
	flips := make([]float64, len(splits)*len(seeds)*len(widths))
	err = lab.Each(ctx, len(flips), func(ctx context.Context, i int) (err error) {
		w, k, a := i%len(widths), i/len(widths)%len(seeds), i/len(widths)/len(seeds)
		flips[i], err = flipsOfMNIST(ctx, lab, widths[w], splits[a].changes, seeds[k])
		return err
	})
	if err != nil {
		return nil, "", err
	}
	var told []string
	for a, split := range splits {
		slopes := make([]float64, len(seeds))
		for k := range seeds {
			of := flips[(a*len(seeds)+k)*len(widths):][:len(widths)]
			slopes[k] = slopeOf(widths, func(m int) float64 { return of[slices.Index(widths, m)] })
		}
		mean, _, _ := claims.Interval(slopes)
		told = append(told, fmt.Sprintf("%s %.2f", split.name, mean))
		parts = append(parts, judgeFlips("T2, slope over the width, "+split.name, slopes, claims.Below, 0))
	}
	return parts, fmt.Sprintf("slopes over widths %v: %s", widths, strings.Join(told, ", ")), nil
}

// flipsOfMNIST returns the fraction of gates that differ between local models and their mean after the first round of T2, over both
// hidden layers.
func flipsOfMNIST(ctx context.Context, lab *claims.Lab, width int, changes []string, seed uint64) (float64, error) {
	s, err := lab.Setting("P6.6", append([]string{fmt.Sprintf("seed=%d", seed), fmt.Sprintf("model.mlp.hidden=[%d, %d]", width, width)}, changes...)...)
	if err != nil {
		return 0, err
	}
	x := newExperiment[float32](s)
	ends, mean, err := x.round(ctx, 1, x.start())
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for k, end := range ends {
		examples := s.Job.Shards[k]
		machine := relu.NewMachine[float32](s.Job.Net, t2Probe)
		batch := localsgd.Fill(machine, s.Job.Data.Train, examples[:min(t2Probe, len(examples))])
		recorder := activity.NewRecorder(s.Job.Net)
		machine.Watch(recorder)
		machine.Forward(end, batch)
		there := recorder.Take()
		machine.Forward(mean, batch)
		layers, err := activity.Flips(there, recorder.Take())
		if err != nil {
			return 0, err
		}
		for _, l := range layers { // of one width
			sum += l.Fraction / float64(len(layers)*len(ends))
		}
	}
	return sum, nil
}
