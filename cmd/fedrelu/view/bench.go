package view

import (
	"fmt"
	"io"
)

// Bench is the document of `bench train --json`.
type Bench []BenchRow

// BenchRow says how fast one network trains at one size of batch.
type BenchRow struct {
	Model               string  `json:"model"`
	Batch               int     `json:"batch"`
	Threads             int     `json:"threads"`            // slots that train at once
	MicrosecondsPerStep float64 `json:"us_per_step"`        // on one slot
	SamplesPerSecond    float64 `json:"samples_per_second"` // on all slots together
	GFLOPS              float64 `json:"gflops"`             // likewise
	PeakGFLOPS          float64 `json:"peak_gflops"`        // of one core
	FractionOfPeak      float64 `json:"fraction_of_peak"`   // GFLOPS / (Threads x PeakGFLOPS)
}

// WriteTable writes the rows for people.
func (b Bench) WriteTable(w io.Writer) error {
	t := Table{RightFrom: 1}
	t.Add("MODEL", "BATCH", "THREADS", "US/STEP", "SAMPLES/S", "GFLOP/S", "PEAK", "SHARE")
	for _, r := range b {
		t.Add(r.Model, fmt.Sprint(r.Batch), fmt.Sprint(r.Threads), fmt.Sprintf("%.1f", r.MicrosecondsPerStep),
			fmt.Sprintf("%.0f", r.SamplesPerSecond), fmt.Sprintf("%.1f", r.GFLOPS), fmt.Sprintf("%.1f", r.PeakGFLOPS),
			fmt.Sprintf("%.0f%%", 100*r.FractionOfPeak))
	}
	return t.Write(w)
}
