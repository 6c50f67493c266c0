package view

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
)

// writeLocalRanks writes what averaging did to the ranks of the last round whose local models were measured: of each weight the
// predicted crossover eps*, and at every eps the rank of the average and the mean rank of its members. Above eps* the law of 7b has
// the average's lower, below it higher.
// The bounds are the certificates of the average and of the local model with the largest, at epsilon, that of checks.rank.
func writeLocalRanks(w io.Writer, run record.Run, epsilon float64, rounds []*record.RoundHistory) error {
	last := lastLocalRanks(rounds)
	if last == nil {
		return nil
	}
	all, err := bounds.Of(run, rounds)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\nranks after round %d: of the average / of local models; eps* is where averaging is predicted to change sides\n", last.Number); err != nil {
		return err
	}
	t := Table{RightFrom: 1}
	head := []string{"WEIGHT", "EPS*"}
	columns := thresholds(epsilon)
	for _, c := range columns {
		head = append(head, c.head)
	}
	t.Add(append(head, "EFFECTIVE", "BOUND"+at(epsilon))...)
	for _, name := range weights(last.Measured) {
		row := localRanksRow(last, name, columns)
		t.Add(append(row, boundsOf(all[last.Number][name]))...)
	}
	return t.Write(w)
}

// lastLocalRanks returns the last round whose local models' ranks were measured; nil: none was.
func lastLocalRanks(rounds []*record.RoundHistory) (last *record.RoundHistory) {
	for _, r := range rounds {
		if r.Measured != nil && len(weights(r.Measured)) > 0 {
			last = r
		}
	}
	return last
}

// weights returns the names of the weights whose ranks were measured by checks.local_ranks, in their order.
func weights(m *record.Measured) (names []string) {
	for _, r := range m.Readings {
		if r.Quantity == "effective_rank" && r.Layer != "" && r.Shard == study.Average && r.Step == study.Whole {
			names = append(names, r.Layer)
		}
	}
	return names
}

// threshold is a column of ranks.
type threshold struct{ head, quantity string }

// thresholds are those that always are, and the spec's own.
func thresholds(epsilon float64) []threshold {
	var all []threshold
	for _, eps := range analysis.Epsilons() {
		all = append(all, threshold{at(eps), "rank." + strconv.FormatFloat(eps, 'g', -1, 64)})
	}
	if own := (threshold{at(epsilon), "rank"}); !slices.ContainsFunc(all, func(t threshold) bool { return t.head == own.head }) {
		all = append(all, own)
	}
	return all
}

func at(eps float64) string { return "@" + strconv.FormatFloat(eps, 'g', -1, 64) }

// boundsOf writes the certificates of a weight. One that says nothing is vacuous; one that is not there, - .
func boundsOf(l bounds.Layer) string {
	local := bounds.Certificate{}
	for _, one := range l.Locals {
		if c := one.Certificate; c.Applies && c.Bound >= local.Bound {
			local = c
		}
	}
	return bound(l.Certificate) + " / " + bound(local)
}

func bound(c bounds.Certificate) string {
	switch {
	case !c.Applies:
		return "-"
	case c.Vacuous:
		return "vacuous"
	}
	return strconv.Itoa(c.Bound)
}

func localRanksRow(r *record.RoundHistory, name string, columns []threshold) []string {
	eps := "-"
	if predicted := ofAverage(r.Measured, name, "crossover"); predicted != nil {
		eps = strconv.FormatFloat(*predicted, 'g', 3, 64)
	}
	row := []string{name, eps}
	for _, c := range columns {
		row = append(row, number(ofAverage(r.Measured, name, c.quantity), 0)+" / "+number(overShards(r, name, c.quantity), 1))
	}
	return append(row, number(ofAverage(r.Measured, name, "effective_rank"), 1)+" / "+number(overShards(r, name, "effective_rank"), 1))
}
