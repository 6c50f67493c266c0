package view

import (
	"fmt"
	"io"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Result is what a run came to: the document of `run --json`.
type Result struct {
	Run          string   `json:"run"`
	Status       string   `json:"status"`
	Rounds       int      `json:"rounds"` // committed ones; the start model is none
	TestAccuracy *float64 `json:"test_accuracy"`
	TestLoss     *float64 `json:"test_loss"`
	ModelSHA256  *string  `json:"model_sha256"`
	WallSeconds  float64  `json:"wall_seconds"`
	BytesUp      int64    `json:"bytes_up"`
	BytesDown    int64    `json:"bytes_down"`
	PeakRSSBytes *int64   `json:"peak_rss_bytes"` // of the coordinator's process; nil where that is another one
}

// Result returns what the run has come to so far. peakRSS is in bytes, 0 if it is not known.
func (s *Story) Result(peakRSS int64) Result {
	r := Result{
		Run: s.Run.ID, Status: s.Run.Status.String(), WallSeconds: s.Run.Wall.Seconds(), BytesUp: s.Up, BytesDown: s.Down,
	}
	if s.Last != nil {
		hash := s.Last.Model.String()
		r.Rounds, r.TestAccuracy, r.TestLoss, r.ModelSHA256 = s.Last.Number, s.Last.TestAccuracy, s.Last.TestLoss, &hash
	}
	if peakRSS > 0 {
		r.PeakRSSBytes = &peakRSS
	}
	return r
}

// WriteSummary writes the story for people: what became of the run, and its last numbers.
func (s *Story) WriteSummary(w io.Writer) error {
	r := s.Result(0)
	rows := Table{}
	rows.Add("run", joinWords(r.Run, s.Run.Name))
	rows.Add("status", colon(r.Status, s.reasonOfSuccess()))
	rows.Add("rounds", fmt.Sprintf("%d in %s", r.Rounds, Seconds(r.WallSeconds)))
	if r.TestAccuracy != nil {
		rows.Add("accuracy", fmt.Sprintf("%.4f on the test set", *r.TestAccuracy))
	}
	if r.TestLoss != nil {
		rows.Add("loss", fmt.Sprintf("%.4f on the test set", *r.TestLoss))
	}
	if r.ModelSHA256 != nil {
		rows.Add("model", *r.ModelSHA256)
	}
	rows.Add("traffic", fmt.Sprintf("%s up, %s down", Bytes(r.BytesUp), Bytes(r.BytesDown)))
	return rows.Write(w)
}

// reasonOfSuccess is why the run has completed; why it has not is for the command's error to say.
func (s *Story) reasonOfSuccess() string {
	if s.Run.Status != record.Completed {
		return ""
	}
	return s.Run.Reason
}

// date is how times are shown to people: of this machine's zone, to the second.
func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
