// Package claims is what `fedrelu reproduce` runs: claims of the six papers, of FedAvg, and on averaging and rank, each a
// spec with an analysis that measures it and comes to a verdict. The papers' claims are in packages below this one; they
// train with localsgd's in-process runner, which is the workers' code without network and store.
//
// Rules of evidence. A verdict comes from numbers and a threshold that were fixed in the code before the run, by Exact,
// Within or Trend, never by hand. Exact claims have a stated bound and one violation fails them. Trends have paired seeds (the
// same start model and batches in every arm) and an effect; their verdict is where the 95% t-interval of the effect lies:
// wholly on the claimed side of the threshold holds, wholly on the other side fails, and anything else is inconclusive.
// What a gate dropped is counted. A part that had nothing to compare, no run or pair that passed a gate, decides nothing beside parts
// that had, and is named; of nothing nothing holds. Paths of the spec that an analysis sets itself are declared (Claim.Varies), so
// that no change of a user's is lost. Each claim has a control in the tests on which it must fail.
//
// Everything measured is a function of the spec, the seed and the size of the laboratory, so that the same command prints the
// same numbers.
package claims
