// Package bounds says what theorems and laws predict of a run that is recorded, to stand beside what was measured: the decay
// budget, the onset of rank collapse, and the certificate of ranks at the boundaries of rounds, of the average (PAPERS.md 1.3.2) and of
// the local models (1.3.3; M12, M13). It also says which laws that cannot be broken a record breaks.
//
// Rules. Everything follows from the run's record and the entries of its chain, so that it is the same wherever it is computed,
// whenever, and for runs that older builds have recorded. Where a record lacks something there is a reason, never a guess.
package bounds
