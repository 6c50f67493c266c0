package view

import (
	"fmt"
	"io"
	"strconv"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// writeLocalRanks writes what averaging did to the ranks of the last round whose local models were measured: of each weight the
// predicted crossover eps*, and at every eps the rank of the average and the mean rank of its members. Above eps* the law of 7b has
// the average's lower, below it higher.
func writeLocalRanks(w io.Writer, rounds []*record.RoundHistory) error {
	last := lastLocalRanks(rounds)
	if last == nil {
		return nil
	}
	names := weights(last.Measured)
	if _, err := fmt.Fprintf(w, "\nranks after round %d: of the average / of local models; eps* is where averaging is predicted to change sides\n", last.Number); err != nil {
		return err
	}
	t := Table{RightFrom: 1}
	head := []string{"WEIGHT", "EPS*"}
	for _, eps := range analysis.Epsilons() {
		head = append(head, "@"+strconv.FormatFloat(eps, 'g', -1, 64))
	}
	t.Add(append(head, "EFFECTIVE")...)
	for _, name := range names {
		t.Add(localRanksRow(last, name)...)
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

func localRanksRow(r *record.RoundHistory, name string) []string {
	eps := "-"
	if at := ofAverage(r.Measured, name, "crossover"); at != nil {
		eps = strconv.FormatFloat(*at, 'g', 3, 64)
	}
	row := []string{name, eps}
	for _, e := range analysis.Epsilons() {
		quantity := "rank." + strconv.FormatFloat(e, 'g', -1, 64)
		row = append(row, number(ofAverage(r.Measured, name, quantity), 0)+" / "+number(overShards(r, name, quantity), 1))
	}
	return append(row, number(ofAverage(r.Measured, name, "effective_rank"), 1)+" / "+number(overShards(r, name, "effective_rank"), 1))
}
