package localsgd

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// remembering are ways to compute that keep something between rounds.
var remembering = []struct {
	name  string
	local Local
	rule  Rule
}{
	{"fedavgm", Local{SGD: SGD{LR: 0.1}}, FedAvgM{LR: 1, Beta: 0.9}},
	{"slowmo", Local{SGD: SGD{LR: 0.1}, Rates: ExponentialLR{Gamma: 0.9}}, SlowMo{LR: 1, Beta: 0.5}},
	{"fedadagrad", Local{SGD: SGD{LR: 0.1}}, FedAdagrad{LR: 0.1, Tau: 0.001}},
	{"fedadam with prox", Local{SGD: SGD{LR: 0.1}, ProxMu: 0.1}, FedAdam{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.001}},
	{"fedyogi, frozen", Local{SGD: SGD{LR: 0.1}, Freeze: []string{"0.*"}}, FedYogi{LR: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.001}},
	{"fednova", Local{SGD: SGD{LR: 0.1, Momentum: 0.9}}, FedNova{LR: 1}},
	{"scaffold 1", Local{SGD: SGD{LR: 0.1}}, Scaffold{LR: 1, Option: 1}},
	{"scaffold 2, personal", Local{SGD: SGD{LR: 0.1}, Personal: []string{"4.*"}, ClipUpdate: 0.1}, Scaffold{LR: 0.9, Option: 2}},
	{"diloco", Local{AdamW: &AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1}, KeepState: true}, DiLoCo{LR: 0.7, Beta: 0.9}},
	{"median", Local{SGD: SGD{LR: 0.1}}, Median{}},
	{"trimmed mean", Local{SGD: SGD{LR: 0.1}, KeepState: true}, TrimmedMean{Beta: 0.2}},
	{"krum", Local{SGD: SGD{LR: 0.1}}, Krum{}},
	{"multi-krum", Local{SGD: SGD{LR: 0.1}}, MultiKrum{M: 2}},
	{"geometric median", Local{SGD: SGD{LR: 0.1}}, GeometricMedian{Iterations: 4, Eps: 1e-5, Tolerance: 1e-6}},
	{"norm clipping", Local{SGD: SGD{LR: 0.1}}, NormClipping{}},
	{"momentum, post-local", Local{SGD: SGD{LR: 0.1, Momentum: 0.9}, KeepState: true, PostLocal: 2}, FedAvg{LR: 1}},
}

// rememberingRunner is a runner of one of them, with partial participation, in either precision.
func rememberingRunner(t *testing.T, local Local, rule Rule, p Precision) *Runner {
	t.Helper()
	a := Algorithm{Rule: rule, Participation: Participation{Partial: true, Count: 3}}
	local.Schedule = shard.Schedule{Epochs: 1, Batch: 4}
	local, err := a.Prepare(local)
	if err != nil {
		t.Fatal(err)
	}
	job := unequalJob(t, local)
	job.Precision = p
	if err := job.Check(); err != nil {
		t.Fatal(err)
	}
	return &Runner{Job: job, Algorithm: a}
}

// A run that is stopped after any round goes on from its state to the same bits, in a runner that knows nothing else.
func TestRunsGoOnFromTheirState(t *testing.T) {
	const rounds = 5
	for _, c := range remembering {
		t.Run(c.name, func(t *testing.T) {
			var states []RunState[float32]
			r := rememberingRunner(t, c.local, c.rule, Float32)
			if _, err := r.Run(context.Background(), rounds, func(RoundFacts, []float32) error {
				states = append(states, r.State())
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, s := range states {
				again := rememberingRunner(t, c.local, c.rule, Float32)
				if err := again.Resume(s); err != nil {
					t.Fatal(err)
				}
				if _, err := again.Run(context.Background(), rounds, nil); err != nil {
					t.Fatal(err)
				}
				sameState(t, again.State(), states[rounds-1])
			}
		})
	}
}

func sameState(t *testing.T, got, want RunState[float32]) {
	t.Helper()
	if got.Round != want.Round || !slices.Equal(bitsOf(got.Block), bitsOf(want.Block)) {
		t.Fatalf("round %d with another block than round %d", got.Round, want.Round)
	}
	for k, state := range want.Shards {
		if (state == nil) != (got.Shards[k] == nil) || !slices.Equal(bitsOf(got.Shards[k]), bitsOf(state)) {
			t.Fatalf("shard %d has another state", k)
		}
	}
}

// Every way works in float64 steps too, and goes where float32 goes.
func TestPrecisionsAgreeOnRules(t *testing.T) {
	for _, c := range remembering {
		var models [2][]float32
		for p := range models {
			var err error
			if models[p], err = rememberingRunner(t, c.local, c.rule, Precision(p)).Run(context.Background(), 3, nil); err != nil {
				t.Fatal(err)
			}
		}
		// Adaptive rules divide differences of about 1e-3 by their own size.
		if d := maxDifference(models[0], models[1]); d > 1e-4 || d == 0 {
			t.Errorf("%s: the precisions differ by %g", c.name, d)
		}
	}
}

// A round that fails leaves the shards' states as they were.
func TestFailedRoundsChangeNoState(t *testing.T) {
	r := rememberingRunner(t, Local{SGD: SGD{LR: 0.1}}, Scaffold{LR: 1, Option: 2}, Float32)
	if _, err := r.Run(context.Background(), 2, nil); err != nil {
		t.Fatal(err)
	}
	before := r.State()
	stopped, stop := context.WithCancel(context.Background())
	plan := r.Algorithm.Plan(r.Job, 3)
	next := make([]float32, len(before.Block))
	limited := &countdown{Context: stopped, stop: stop, calls: 8}
	if _, err := r.Carry(limited, plan, before.Block, next); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want a round that is broken off", err)
	}
	sameState(t, r.State(), before)
	if _, err := r.Run(context.Background(), 3, nil); err != nil {
		t.Fatal(err)
	}
	whole := rememberingRunner(t, Local{SGD: SGD{LR: 0.1}}, Scaffold{LR: 1, Option: 2}, Float32)
	if _, err := whole.Run(context.Background(), 3, nil); err != nil {
		t.Fatal(err)
	}
	sameState(t, r.State(), whole.State())
}

// countdown is a context that is cancelled when it has been asked often enough.
type countdown struct {
	context.Context
	stop  context.CancelFunc
	calls int
}

func (c *countdown) Err() error {
	if c.calls--; c.calls < 0 {
		c.stop()
	}
	return c.Context.Err()
}

func TestForeignStatesAreRefused(t *testing.T) {
	r := rememberingRunner(t, Local{SGD: SGD{LR: 0.1}}, FedAvgM{LR: 1, Beta: 0.9}, Float32)
	if _, err := r.Run(context.Background(), 1, nil); err != nil {
		t.Fatal(err)
	}
	plain := rememberingRunner(t, Local{SGD: SGD{LR: 0.1}}, FedAvg{LR: 1}, Float32)
	if err := plain.Resume(r.State()); err == nil {
		t.Error("a state with a momentum goes on without")
	}
	if err := plain.Resume(RunState[float32]{Round: 1, Block: plain.Job.Start()}); err == nil {
		t.Error("a state without shards goes on")
	}
}
