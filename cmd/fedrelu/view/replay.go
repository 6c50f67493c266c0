package view

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/replay"
)

// Replay is the document of `replay --json`.
type Replay struct {
	Run         string      `json:"run"`
	Name        string      `json:"name"`
	Same        bool        `json:"same"`
	Rounds      int         `json:"rounds"`       // computed again and found the same
	Partial     int         `json:"partial"`      // of these, closed without some of their shards
	ModelSHA256 *string     `json:"model_sha256"` // of the last round that is the same; null: not even the start model is
	Difference  *Difference `json:"difference"`   // null: none
}

// Difference is replay.Difference.
type Difference struct {
	Round    int    `json:"round"`
	What     string `json:"what"`
	Recorded string `json:"recorded"`
	Replayed string `json:"replayed"`
}

// Add counts a round that is the same.
func (d *Replay) Add(rec record.Round) {
	model := rec.Model.String()
	d.Rounds, d.ModelSHA256 = rec.Number, &model
	if len(rec.Missing) > 0 {
		d.Partial++
	}
}

// Differ notes where the replay ended.
func (d *Replay) Differ(e *replay.Difference) {
	d.Same = false
	d.Difference = &Difference{Round: e.Round, What: e.What, Recorded: e.Recorded, Replayed: e.Replayed}
}

// WriteText writes the document for people.
func (d Replay) WriteText(w io.Writer) error {
	t := Table{}
	t.Add("run", joinWords(d.Run, d.Name))
	t.Add("rounds", fmt.Sprintf("%d computed again to the recorded bits, %d of them closed without some shards", d.Rounds, d.Partial))
	if d.ModelSHA256 != nil {
		t.Add("model", *d.ModelSHA256)
	}
	if e := d.Difference; e != nil {
		t.Add("DIFFERENT", fmt.Sprintf("%s of round %d", e.What, e.Round))
		t.Add("recorded", e.Recorded)
		t.Add("replayed", e.Replayed)
	}
	return t.Write(w)
}
