package view

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// inWords says what the names of average models mean (M1).
var inWords = map[string]string{
	study.Mean:     "the mean of the local models",
	study.Next:     "the model that the round made",
	study.Measured: "the mean of the measured local models",
}

// writeModels says which average models the rounds' numbers are of, as far as they were measured: drift and rank in the table of rounds,
// and what studies compare with. made is the rounds' own.
func writeModels(w io.Writer, rounds []*record.RoundHistory, made string) error {
	t := Table{}
	if d := lastDrift(rounds); d != nil {
		t.Add("drift", "from "+inWords[d.Model])
	}
	if len(lastLayers(rounds)) > 0 {
		t.Add("rank", "of "+inWords[made])
	}
	if model := studied(rounds); model != "" {
		t.Add("studies", "of "+inWords[model])
	}
	if len(t.rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return t.Write(w)
}

func lastDrift(rounds []*record.RoundHistory) (last *record.Drift) {
	for _, r := range rounds {
		if d := driftOf(r.Measured); d != nil {
			last = d
		}
	}
	return last
}

func lastLayers(rounds []*record.RoundHistory) (last []record.Layer) {
	for _, r := range rounds {
		if r.Number > 0 && r.Measured != nil && len(r.Measured.Layers) > 0 {
			last = r.Measured.Layers
		}
	}
	return last
}

// studied returns the average model that the last studies compare local models with; empty where none did. Where they have the mean,
// only what is defined as the round's change, such as round_rel, is of the next model.
func studied(rounds []*record.RoundHistory) (last string) {
	for _, r := range rounds {
		if r.Measured == nil {
			continue
		}
		said := make(map[string]bool)
		for _, one := range r.Measured.Readings {
			said[one.Model] = said[one.Model] || one.Step == study.Whole
		}
		switch {
		case said[study.Mean]:
			last = study.Mean
		case said[study.Next]:
			last = study.Next
		}
	}
	return last
}
