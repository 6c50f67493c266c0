// Package study measures one round of a run by repeating its tasks: whatever needs the local models of several shards at once,
// or every local step. What it says is a function of the job, the round, its start model and the model that it made, and never
// of who trained what.
//
// Rules. Nothing here changes a block, a state or a random stream of training. A reading that does not exist is left out, with
// the reason in a Missing. Shards with states of their own cannot be repeated: then everything is missing. Conventions are M1 to
// M20 of PAPERS.md 0.4. Layers are named as Reading says: drift and its relatives by module, gates and entropies by activation,
// ranks and changes by weight. The average model is the mean of the ends where it is known (M1): each number that is of it, or of another
// average, names which; only the round's own change (round_rel, dist, zero_inputs) is always that of its model. Readings have the same bits on every machine, but for what comes from singular values.
//
// Numbers. Where Options.Most bounds them, half of it is sawtooth's: it looks at every n-th step and at the last, n being the smallest
// for which its numbers fit, and says n as "sawtooth.every". Where the local models do not even fit at one step, it says their average
// alone. A study that would exceed Most with what the studies above it have said is left out whole, with the reason.
//
// Costs, beside two models and one machine for batches of training. K measured shards of H local steps, P parameters, E evaluated
// examples (1,000), n examples of a probe (32), M the singular values of all weights once. "Tasks" are those that are repeated:
// all studies but sawtooth share one pass over them, which keeps K ends of 4P bytes. A gradient pass costs about three forward
// passes.
//
//	study          says                                                      costs, beside the shared tasks                          ms
//	updates        cosine of each update to their mean, diversity, norms     nothing                                                 11
//	drift          drift, V, Lipschitz, gate flips, by layer                 2K gradient passes on n examples, 8P bytes              55
//	local_ranks    ranks of local models and average; crossover eps*         (K+1) M, K n gradient passes on one example            185
//	local_spectra  singular values of local models                           K M, but nothing after local_ranks                     105
//	noise          step_rel, round_rel, dist, gradient spread, noise scale   8K gradient passes on a batch, 12P bytes; a look at    173
//	                                                                         all of P every step
//	fluctuation    of singular values over the steps                         K M at 30 of the steps, or every; a copy of P a step   210
//	units          dead and always-on units, agreement of patterns           (K+1) E + K^2 n forward passes                          44
//	entropy        of activations, in training and of the average            E forward passes; in tasks a histogram an example       61
//	identity       distance from the identity, biases, movement; no tasks    M, E forward passes                                     14
//	zero_inputs    columns at dead inputs against their decay; no tasks      one look at the training set                             2
//	norms          path norm, balance, knots, TV(f'), exact optimum          K+1 forward passes of one example, 16P bytes; the        4
//	                                                                         optimum is cubic in the distinct inputs
//	curve          mean of 1..K models: ranks, loss, accuracy                K M, K E forward passes, 12P bytes                     138
//	barrier        of all pairs of local models                              11 K(K-1)/2 E forward passes, 4P bytes                 334
//	alignment      the same after the best order of hidden units             as barrier, and assignments cubic in the widths       1074
//	sawtooth       ranks, loss, V at the steps, of locals and average        all tasks again at once (K machines, 8KP bytes),       411
//	                                                                         (K+1) H/every M and as many times E forward passes
//	heterogeneity  zeta^2 by split halves; no tasks                          K gradient passes on n examples, 24P bytes              11
//	prediction     V of the law of noise and heterogeneity; H*               as heterogeneity and the gradients of noise, once       47
//	                                                                         for all
//	null_model     ranks under random gradients                              draws x K B ln(1e4)/-ln(rho) x P operations, 2 M a
//	                                                                         draw, K+1 M; nothing where too much is remembered
//
// ms is the time of a round of examples/mnist.yaml (784-200-200-10) with K = 4, H = 60, every = 30, on one core of a server of 2023, whose
// four tasks took 31 ms (BenchmarkRound).
package study
