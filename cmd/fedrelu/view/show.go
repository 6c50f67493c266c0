package view

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Show is the document of `runs show --json`.
type Show struct {
	Run    string          `json:"run"`
	Name   string          `json:"name"`
	Status string          `json:"status"`
	Reason string          `json:"reason"`      // why the run has that status; may be empty
	Spec   json.RawMessage `json:"spec"`        // with all defaults filled in
	Init   *string         `json:"init_sha256"` // of the model that the run was submitted with; null: the spec's init drew it
	Start  *ShowRound      `json:"start"`       // round 0: the start model; nil until the run was planned
	Rounds []ShowRound     `json:"rounds"`
}

// ShowRound is what is known of a round.
type ShowRound struct {
	Round        int        `json:"round"`
	TestAccuracy *float64   `json:"test_accuracy"`
	TestLoss     *float64   `json:"test_loss"`
	TrainLoss    *float64   `json:"train_loss"`
	Invited      []int      `json:"invited"` // participants and missing together
	Participants []int      `json:"participants"`
	Missing      []int      `json:"missing"`
	Absent       []ShowAway `json:"absent"`     // why who is missing
	TaskSteps    []int      `json:"task_steps"` // of each participant at most, 0: all; empty where no task was cut
	CloseReason  string     `json:"close_reason"`
	// Of an asynchronous run: participants and the models that they started from, in the order in which they were counted, and
	// what began and came too late. Empty for planned rounds.
	Arrivals        []ShowArrival   `json:"arrivals"`
	Discarded       []ShowDiscarded `json:"discarded"`
	Staleness       *float64        `json:"staleness"`     // mean over the arrivals: how many rounds before the newest model each started
	StalenessMax    *int            `json:"staleness_max"` // the largest
	Drift           ShowDrift       `json:"drift"`
	Layers          []ShowLayer     `json:"layers"`
	LayersReason    *string         `json:"layers_reason"`    // why there are none
	Readings        []ShowReading   `json:"readings"`         // of the studies that were due
	MissingReadings []ShowMissing   `json:"missing_readings"` // why something that was due of them is not there
	BytesUp         int64           `json:"bytes_up"`
	BytesDown       int64           `json:"bytes_down"`
	Seconds         ShowSeconds     `json:"seconds"`
	ModelSHA256     string          `json:"model_sha256"`
	RecordSHA256    string          `json:"record_sha256"`
}

// ShowArrival is an update of an asynchronous round: that of a shard from the model of a round, 0 for the start model.
type ShowArrival struct {
	Round int `json:"round"`
	Shard int `json:"shard"`
}

// ShowDiscarded is a task whose update came too late to count.
type ShowDiscarded struct {
	ShowArrival
	Reason string `json:"reason"`
}

// ShowAway is why shards are missing from a round: late, dropped out, diverged, nobody's.
type ShowAway struct {
	Shards []int  `json:"shards"`
	Reason string `json:"reason"`
}

// ShowSeconds is where a round's time went. The first five add up to Total.
type ShowSeconds struct {
	Train     float64  `json:"train"`
	Wait      float64  `json:"wait"`
	Network   float64  `json:"network"`
	Aggregate float64  `json:"aggregate"`
	Commit    *float64 `json:"commit"` // null: the process ended before it could be said
	Total     float64  `json:"total"`
	Measure   *float64 `json:"measure"` // beside the rounds
}

// NewShow returns the document of a run and its rounds, of which round 0 becomes the start.
func NewShow(run record.Run, rounds []*record.RoundHistory) (Show, error) {
	sp, err := spec.FromProto(run.Spec)
	if err != nil {
		return Show{}, fmt.Errorf("reading the spec of run %s: %w", run.ID, err)
	}
	document, err := sp.MarshalJSON()
	if err != nil {
		return Show{}, fmt.Errorf("writing the spec of run %s: %w", run.ID, err)
	}
	s := Show{
		Run: run.ID, Name: run.Name, Status: run.Status.String(), Reason: run.Reason, Spec: document, Rounds: []ShowRound{},
	}
	if run.StartGiven {
		s.Init = text(run.StartModel.String())
	}
	predicted, err := bounds.Of(run, rounds)
	if err != nil {
		return Show{}, err
	}
	for _, r := range rounds {
		if shown := showRound(r, made(sp), predicted[r.Number]); r.Number == 0 {
			s.Start = &shown
		} else {
			s.Rounds = append(s.Rounds, shown)
		}
	}
	return s, nil
}

func showRound(r *record.RoundHistory, made string, predicted map[string]bounds.Layer) ShowRound {
	s := ShowRound{
		Round: r.Number, TestAccuracy: r.TestAccuracy, TestLoss: r.TestLoss, TrainLoss: r.TrainLoss,
		Invited: list(r.Invited), Participants: list(r.Participants), Missing: list(r.Missing), CloseReason: r.CloseReason,
		Absent: showAbsent(r.Absent), TaskSteps: list(r.TaskSteps),
		Drift: showDrift(r.Measured), Layers: showLayers(r, made, predicted), LayersReason: layersReason(r.Measured),
		Readings: showReadings(r.Measured), MissingReadings: showMissing(r.Measured),
		BytesUp: r.BytesUp, BytesDown: r.BytesDown, Seconds: showSeconds(r),
		ModelSHA256: r.Model.String(), RecordSHA256: r.Entry.String(), Arrivals: []ShowArrival{}, Discarded: []ShowDiscarded{},
	}
	for _, a := range r.Arrivals {
		s.Arrivals = append(s.Arrivals, ShowArrival{a.Start, a.Shard})
	}
	for _, d := range r.Discarded {
		s.Discarded = append(s.Discarded, ShowDiscarded{ShowArrival{d.Start, d.Shard}, d.Reason})
	}
	if r.Asynchronous() {
		mean, most := r.Staleness()
		s.Staleness, s.StalenessMax = &mean, &most
	}
	return s
}

func showAbsent(absent []record.Absent) []ShowAway {
	shown := []ShowAway{}
	for _, a := range absent {
		shown = append(shown, ShowAway{list(a.Shards), a.Reason})
	}
	return shown
}

func showSeconds(r *record.RoundHistory) ShowSeconds {
	s := ShowSeconds{
		Train: r.Seconds.Train, Wait: r.Seconds.Wait, Network: r.Seconds.Network, Aggregate: r.Seconds.Aggregate,
		Commit: r.Commit, Total: r.Total(),
	}
	if r.Measured != nil {
		s.Measure = &r.Measured.Seconds
	}
	return s
}

// text is null where there is nothing to say.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// list is never null.
func list[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}

// WriteJSON writes one document on one line. It is how every command prints one.
func WriteJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}
