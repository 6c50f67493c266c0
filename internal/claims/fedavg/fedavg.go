package fedavg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
)

const source = "McMahan et al. 2017"

// Paper returns the claims.
func Paper() claims.Paper {
	p := claims.Paper{
		Name:  "fedavg",
		Title: "FedAvg: rounds to a target accuracy on MNIST (McMahan et al. 2017)",
		Claims: []claims.Claim{
			{ID: "A1.1", Kind: claims.Trend, Source: source + ", Table 1", Evidence: "verified, secondary source",
				Text:    "The 2NN on IID shards, batch 10, reaches 97% in at most the paper's rounds, whatever part of the shards takes part.",
				Measure: func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) { return atMost(ctx, lab, "A1.1") }},
			{ID: "A1.2", Kind: claims.Trend, Source: source + ", Table 1", Evidence: "verified, secondary source",
				Text:    "The 2NN on shards of two digits, batch 10, reaches 97% in at most the paper's rounds.",
				Measure: func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) { return atMost(ctx, lab, "A1.2") }},
			{ID: "A1.3", Kind: claims.Trend, Source: source + ", Table 1", Evidence: "verified, secondary source",
				Text:    "Shards of two digits cost between 3 and 12 times the rounds of IID shards.",
				Measure: pathology},
			{ID: "A1.4", Kind: claims.Trend, Source: source + ", Table 1", Evidence: "verified, secondary source",
				Text:    "With one step on the whole shard a round, the 2NN reaches 97% in at most the paper's rounds.",
				Measure: func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) { return atMost(ctx, lab, "A1.4") }},
			{ID: "A1.5", Kind: claims.Trend, Source: source + ", Table 2", Evidence: "verified, secondary source",
				Text:    "The CNN on IID shards reaches 99% in at most the paper's rounds.",
				Measure: func(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) { return atMost(ctx, lab, "A1.5") }},
		},
	}
	for i := range p.Claims {
		p.Claims[i].Varies = varies[p.Claims[i].ID]
	}
	return p
}

// The learning rates that a cell may choose from. Whole shards take one step a round and larger ones.
var (
	rates      = []float64{0.2, 0.3, 0.1, 0.05}
	ratesWhole = []float64{0.5, 0.3, 0.8, 0.1}
	quickRate  = []float64{0.2}
)

// paperRounds are the cells of Table 1 with E = 1, by the part of the shards that takes part.
var paperRounds = []struct {
	fraction             string
	iid, nonIID          int // B = 10
	wholeIID, wholeOther int // B = infinity; 0: not repeated here
}{
	{fraction: "0", iid: 316, nonIID: 3275, wholeIID: 1455},
	{fraction: "0.1", iid: 87, nonIID: 664, wholeIID: 1474, wholeOther: 1796},
	{fraction: "0.2", iid: 77, nonIID: 619},
	{fraction: "0.5", iid: 75, nonIID: 443},
	{fraction: "1", iid: 70, nonIID: 380},
}

// included tells which fractions a size has time for: one unless it is Full. Whole shards are quickest one at a time.
func included(size claims.Size, id, fraction string) bool {
	if size == claims.Quick && id == "A1.4" {
		return fraction == "0"
	}
	return size == claims.Full || fraction == "0.1"
}

// cells returns the cells of a claim, those that take longest first, and the seeds that each is run with.
func cells(lab *claims.Lab, id string) ([]cell, []uint64) {
	quick := lab.Size == claims.Quick
	search := claims.Pick(lab, quickRate, rates[:2], rates)
	var out []cell
	one := func(c cell) {
		if c.paper > 0 {
			c.spec = id
			out = append(out, c)
		}
	}
	for _, p := range slices.Backward(paperRounds) {
		if !included(lab.Size, id, p.fraction) {
			continue
		}
		part := "participation.fraction=" + p.fraction
		switch id {
		case "A1.1":
			one(cell{name: "2NN IID B=10 C=" + p.fraction, changes: []string{part}, paper: p.iid, rates: search, evaluate: 1})
		case "A1.2":
			one(cell{name: "2NN non-IID B=10 C=" + p.fraction, changes: []string{part}, paper: p.nonIID, rates: search, evaluate: 2})
		case "A1.4":
			whole := claims.Pick(lab, ratesWhole[:1], ratesWhole[:1], ratesWhole)
			one(cell{name: "2NN IID B=inf C=" + p.fraction, changes: []string{part}, paper: p.wholeIID, rates: whole, evaluate: 10})
			if !quick {
				other := append([]string{"shards.partition={label_shards: {per_shard: 2}}"}, part)
				one(cell{name: "2NN non-IID B=inf C=" + p.fraction, changes: other, paper: p.wholeOther, rates: whole, evaluate: 10})
			}
		}
	}
	if id == "A1.5" {
		changes := []string{"local.epochs=1", "local.batch=10"}
		if quick {
			changes = append(changes, lab.Yielding("stop.accuracy=0.95")...)
		}
		search := claims.Pick(lab, quickRate, quickRate, rates[:3])
		if lab.Size == claims.Full {
			one(cell{name: "CNN IID E=5 B=10", changes: []string{"local.epochs=5", "local.batch=10"}, paper: 20, rates: search, evaluate: 1})
			one(cell{name: "CNN IID E=1 B=50", changes: []string{"local.epochs=1", "local.batch=50"}, paper: 65, rates: search, evaluate: 1})
		}
		one(cell{name: "CNN IID E=1 B=10", changes: changes, paper: 34, rates: search, evaluate: 1})
	}
	switch {
	case id == "A1.5":
		return out, claims.Seeds(1)
	case id == "A1.4":
		return out, claims.Seeds(claims.Pick(lab, 1, 1, 3))
	}
	return out, claims.Seeds(3)
}

// measureAll measures the cells of a claim, once for all claims that look at them.
func measureAll(ctx context.Context, lab *claims.Lab, id string) ([]*result, error) {
	return claims.Once(lab, "fedavg "+id, func() ([]*result, error) {
		todo, seeds := cells(lab, id)
		for i := range todo {
			todo[i].threads = max(1, lab.Threads/(len(todo)*len(seeds)))
		}
		return measureCells(ctx, lab, todo, seeds)
	})
}

// atMost judges the rounds of every cell against the paper's.
func atMost(ctx context.Context, lab *claims.Lab, id string) (*claims.Outcome, error) {
	results, err := measureAll(ctx, lab, id)
	if err != nil {
		return nil, err
	}
	parts := make([]*claims.Outcome, len(results))
	for i, r := range results {
		parts[i] = judge(r)
	}
	o := claims.All(parts...)
	o.Setup = fmt.Sprintf("%d cells, %d seeds, learning rate the best of %v", len(results), len(results[0].Runs), results[0].rates)
	o.Predicted = describe(results, func(r *result) string { return fmt.Sprintf("%d", r.paper) }) + " rounds at most"
	o.Measured = describe(results, rounds) + " rounds"
	report(lab, id, results)
	if id == "A1.5" && lab.Size == claims.Quick && !lab.Sets("stop.accuracy") {
		o.Verdict, o.Why = claims.Inconclusive, "a quick look trains to 95% only; --full goes on to 99%"
	}
	return o, nil
}

// judge compares a cell with the paper: over seeds where there are several, by the one number otherwise.
func judge(r *result) *claims.Outcome {
	if len(r.Runs) == 0 {
		return claims.Untested(fmt.Sprintf("%q has no run", r.name))
	}
	if len(r.Runs) > 1 {
		o := claims.TestTrend(r.ratios(), claims.Below, 1)
		if n := r.unreached(); n > 0 {
			o.Why += fmt.Sprintf("; %d runs of %q never reached the target and count with the rounds they were given", n, r.name)
		}
		return o
	}
	o := claims.TestBound(r.ratios()[0], 1)
	o.Why = fmt.Sprintf("%q takes %.2f of the paper's rounds, on one seed", r.name, r.ratios()[0])
	return o
}

func describe(results []*result, f func(*result) string) string {
	words := make([]string, len(results))
	for i, r := range results {
		words[i] = fmt.Sprintf("%s: %s", strings.TrimPrefix(strings.TrimPrefix(r.name, "2NN "), "CNN "), f(r))
	}
	return strings.Join(words, "; ")
}

func rounds(r *result) string {
	words := make([]string, len(r.Runs))
	for i, x := range r.Runs {
		words[i] = fmt.Sprintf("%.0f", x.Rounds)
		if !x.Got {
			words[i] = ">" + words[i]
		}
	}
	return strings.Join(words, "/")
}

// The limits of the price of shards of two digits, in rounds over those of IID shards (the paper: 5.4 to 10.4).
const (
	leastPrice = 3
	mostPrice  = 12
)

// pathology compares the cells of A1.1 and A1.2 in pairs.
func pathology(ctx context.Context, lab *claims.Lab) (*claims.Outcome, error) {
	easy, err := measureAll(ctx, lab, "A1.1")
	if err != nil {
		return nil, err
	}
	hard, err := measureAll(ctx, lab, "A1.2")
	if err != nil {
		return nil, err
	}
	var parts []*claims.Outcome
	var words []string
	for i := range easy {
		prices := make([]float64, len(easy[i].Runs))
		for k := range prices {
			prices[k] = hard[i].Runs[k].Rounds / easy[i].Runs[k].Rounds
		}
		parts = append(parts, between(prices))
		mean, _, _ := claims.Interval(prices)
		words = append(words, fmt.Sprintf("%s: %.1f", strings.TrimPrefix(easy[i].name, "2NN IID "), mean))
	}
	o := claims.All(parts...)
	o.Setup = "the runs of A1.1 and A1.2, in pairs with one seed"
	o.Predicted = fmt.Sprintf("%d to %d (the paper: 5.4 to 10.4)", leastPrice, mostPrice)
	o.Measured = strings.Join(words, "; ")
	return o, nil
}

// between judges both limits. The interval that it reports is that of the price itself.
func between(prices []float64) *claims.Outcome {
	return claims.All(claims.TestTrend(prices, claims.Above, leastPrice), claims.TestTrend(prices, claims.Below, mostPrice))
}

// report writes the runs of a claim down, and draws them beside those of the claims before.
func report(lab *claims.Lab, id string, results []*result) {
	t := claims.Table{Name: "fedavg-" + id, Columns: []string{"cell", "rate", "seed", "rounds", "reached", "paper"}}
	for _, r := range results {
		for _, run := range r.Runs {
			t.Rows = append(t.Rows, []string{r.name, fmt.Sprint(run.Rate), fmt.Sprint(run.Seed),
				fmt.Sprintf("%.2f", run.Rounds), fmt.Sprint(run.Got), fmt.Sprint(r.paper)})
		}
	}
	lab.Tabulate(t)
	draw(lab, id, results)
}
