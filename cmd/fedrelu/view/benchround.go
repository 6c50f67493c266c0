package view

import (
	"fmt"
	"io"
)

// RoundBench is the document of `bench round --json`.
type RoundBench []RoundRow

// RoundRow says what a round takes under one rule.
type RoundRow struct {
	Rule               string  `json:"rule"`
	Model              string  `json:"model"`
	Parameters         int     `json:"parameters"`
	Updates            int     `json:"updates"`
	AddMilliseconds    float64 `json:"add_ms"`     // all updates
	FinishMilliseconds float64 `json:"finish_ms"`  // from the last update to the next model
	Ratio              float64 `json:"ratio"`      // of both to fedavg's
	TaskMilliseconds   float64 `json:"task_ms"`    // a task on a worker
	TaskRatio          float64 `json:"task_ratio"` // to fedavg's
}

// WriteTable writes the rows for people.
func (b RoundBench) WriteTable(w io.Writer) error {
	t := Table{RightFrom: 1}
	t.Add("RULE", "MS ADD", "MS FINISH", "RATIO", "MS TASK", "RATIO")
	for _, r := range b {
		t.Add(r.Rule, fmt.Sprintf("%.2f", r.AddMilliseconds), fmt.Sprintf("%.2f", r.FinishMilliseconds), fmt.Sprintf("%.2f", r.Ratio),
			fmt.Sprintf("%.1f", r.TaskMilliseconds), fmt.Sprintf("%.2f", r.TaskRatio))
	}
	return t.Write(w)
}
