// Package theory says what the theorems and laws of the papers predict for a run, to stand beside what is measured: bounds on
// ranks with their certificates, the onset of rank collapse, what averaging does to ranks, the divergence of local models, and
// the exact decay of weights that no gradient reaches.
//
// Rules. Formulas are those of PAPERS.md 1.2, 1.3, 3.2, 6.5 and 7b and conventions M12 and M13, with its symbols: rho = 1 - lr wd
// for the decay of a step as torch's SGD has it (wd = 2 lambda), m output positions of a layer, B examples of a batch, K workers,
// H local steps, eps the threshold of an eps-rank. A theorem says "not applicable" with a reason where a run is outside of its
// conditions, "vacuous" where it says no more than the shape of the matrix, and never more than it can. What does not exist is
// nil with a reason. The same bits on every machine, but for NullModel, which takes singular values.
package theory
