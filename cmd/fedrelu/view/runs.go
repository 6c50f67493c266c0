package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// List is the document of `runs list --json`.
type List struct {
	Runs []ListRun `json:"runs"`
}

// ListRun is a run in a list. Times are RFC 3339, null where there was none.
type ListRun struct {
	Run         string     `json:"run"`
	Name        string     `json:"name"`
	Status      string     `json:"status"`
	Reason      string     `json:"reason"`
	Created     *time.Time `json:"created"`
	Started     *time.Time `json:"started"`
	Ended       *time.Time `json:"ended"`
	WallSeconds float64    `json:"wall_seconds"`
	Numerics    uint32     `json:"numerics"`
	Build       string     `json:"build"`
}

// NewList returns the document of some runs, in their order.
func NewList(runs []record.Run) List {
	l := List{Runs: []ListRun{}}
	for _, r := range runs {
		l.Runs = append(l.Runs, ListRun{
			Run: r.ID, Name: r.Name, Status: r.Status.String(), Reason: r.Reason,
			Created: moment(r.Created), Started: moment(r.Started), Ended: moment(r.Ended),
			WallSeconds: r.Wall.Seconds(), Numerics: r.Numerics, Build: r.Build,
		})
	}
	return l
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// WriteList writes runs as a table for people.
func WriteList(w io.Writer, runs []record.Run) error {
	t := Table{Right: []int{3}}
	t.Add("RUN", "STATUS", "CREATED", "TIME", "NAME")
	for _, r := range runs {
		wall := "-"
		if r.Wall > 0 {
			wall = Seconds(r.Wall.Seconds())
		}
		t.Add(r.ID, r.Status.String(), date(r.Created), wall, plain(r.Name))
	}
	return t.Write(w)
}

// WriteRun writes a run for people: what it is, its spec with all defaults, and a table of its rounds.
func WriteRun(w io.Writer, run record.Run, rounds []*record.RoundHistory) error {
	s, err := spec.FromProto(run.Spec)
	if err != nil {
		return fmt.Errorf("reading the spec of run %s: %w", run.ID, err)
	}
	head := Table{}
	head.Add("run", joinWords(run.ID, run.Name))
	head.Add("status", colon(run.Status.String(), run.Reason))
	head.Add("created", date(run.Created))
	if run.Wall > 0 {
		head.Add("time", Seconds(run.Wall.Seconds()))
	}
	if run.StartGiven {
		head.Add("init", "model "+run.StartModel.String())
	}
	if err := head.Write(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\nspec\n  %s\n\n", strings.ReplaceAll(strings.TrimSpace(string(s.YAML())), "\n", "\n  ")); err != nil {
		return err
	}
	if err := WriteRounds(w, rounds); err != nil {
		return err
	}
	if err := writeModels(w, rounds, made(s)); err != nil {
		return err
	}
	if err := writeLocalRanks(w, run, s.Rank.Epsilon, rounds); err != nil {
		return err
	}
	return WriteViolations(w, run, rounds)
}

// WriteViolations says loudly which certificates and exact laws were broken, and nothing if none was.
func WriteViolations(w io.Writer, run record.Run, rounds []*record.RoundHistory) error {
	predicted, err := bounds.Of(run, rounds)
	if err != nil {
		return err
	}
	for _, v := range predicted.Violations(rounds) {
		if _, err := fmt.Fprintf(w, "%s\n", v); err != nil {
			return err
		}
	}
	return nil
}

// WriteRounds writes a table with a line for each round.
func WriteRounds(w io.Writer, rounds []*record.RoundHistory) error {
	if len(rounds) == 0 {
		_, err := fmt.Fprintln(w, "no rounds yet")
		return err
	}
	t := Table{Right: []int{0}, RightFrom: 1}
	t.Add("ROUND", "ACC", "LOSS", "TRAIN", "DRIFT", "EFF RANK", "TIME", "UP", "DOWN", "MODEL")
	for _, r := range rounds {
		t.Add(roundRow(r)...)
	}
	return t.Write(w)
}

func roundRow(r *record.RoundHistory) []string {
	drift, ranks := "-", "-"
	if d := driftOf(r.Measured); d != nil {
		drift = number(d.DriftRel, 2)
	}
	if mean := effectiveRank(r.Measured); mean != nil {
		ranks = rank(*mean)
	}
	seconds, up, down := "-", "-", "-"
	if r.Number > 0 {
		seconds, up, down = Seconds(r.Total()), Bytes(r.BytesUp), Bytes(r.BytesDown)
	}
	return []string{
		fmt.Sprint(r.Number), number(r.TestAccuracy, 4), loss(r.TestLoss), loss(r.TrainLoss), drift, ranks, seconds, up, down,
		r.Model.String()[:8],
	}
}
