package entropy

import "github.com/fedrelu/fedrelu/internal/claims"

const source = "Kulathunga et al. 2021"

// Paper returns the claims.
func Paper() claims.Paper {
	trend := func(id, text, where string, evidence string) claims.Claim {
		return claims.Claim{ID: id, Text: text, Kind: claims.Trend, Source: source + ", " + where, Evidence: evidence}
	}
	list := []claims.Claim{
		trend("P4.1", "Networks of 32 or more units a layer do best with a slope of at most 0.2, and worse the larger it is beyond.", "figure of the size study", "verified, authors' plots"),
		trend("P4.2", "Networks of eight units a layer do better with some slope above 0 than with ReLU.", "figure of the size study", "verified, authors' plots"),
		trend("P4.3", "The validation loss of a regression rises with the slope from 0 to 0.6.", "regression study", "verified, authors' arrays"),
		trend("P4.4", "The larger the slope, the more entropy the activations of the first four layers have, in every epoch.", "figure of the entropies", "verified, authors' plots"),
		trend("P4.5", "Training takes entropy from the first four layers, most from the fourth, and hardly any from the narrow fifth.", "figure of the entropies", "verified, authors' plots"),
		trend("P4.6", "ReLU networks lose the largest part of their entropy in training.", "figure of the entropies", "verified, authors' plots"),
		trend("P4.7", "Networks of constant width have less entropy a layer with three or four hidden layers than with two.", "figure of the architectures", "verified, authors' plots"),
		trend("P4.8", "On frozen features of another task, heads with slopes 0.2 to 0.6 reach a lower validation loss than ReLU heads.", "transfer study", "verified for the paper's images; here with digits"),
		trend("P4.9", "The loss of entropy tracks the validation loss over slopes and seeds.", "abstract", "verified principle, own statistic"),
	}
	list[0].Measure, list[1].Measure, list[2].Measure = wide, narrow, regression
	list[3].Measure, list[4].Measure, list[5].Measure = rising, falling, sharpest
	list[6].Measure, list[7].Measure, list[8].Measure = depth, transfer, tracking
	for i := range list {
		list[i].Varies = varies[list[i].ID]
	}
	return claims.Paper{Name: "entropy", Title: "Entropy under ReLU and leaky ReLU (Kulathunga et al. 2021)", Claims: list}
}
