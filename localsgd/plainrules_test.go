package localsgd

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Rules that the reference has no case of, held against float64 loops over plain vectors, which share nothing with the
// engine: plainMLP has the gradients, plainSteps the walk of shard.Sequential.

// vector is a model, a gradient or a state of the oracle.
type vector []float64

// plus adds x times s.
func (v vector) plus(s float64, x vector) vector {
	sum := slices.Clone(v)
	for i := range sum {
		sum[i] += s * x[i]
	}
	return sum
}

func (v vector) minus(x vector) vector { return v.plus(-1, x) }

func (v vector) norm() float64 {
	square := 0.0
	for _, x := range v {
		square += x * x
	}
	return math.Sqrt(square)
}

// plainGradient returns the gradient of the mean loss of examples.
func plainGradient(job *Job, w vector, examples []int32) vector {
	m := newPlainMLP(job, w)
	grad, set := m.zero(), job.Data.Train
	for _, e := range examples {
		x := make([]float64, set.Size())
		for j := range x {
			x[j] = float64(set.Values[int(e)*set.Size()+j])
		}
		m.addGradient(grad, x, int(set.Labels[e]), 1/float64(len(examples)))
	}
	return grad.block()
}

// plainSteps makes steps of a shard from w and returns the end: each turns a gradient at w into what is subtracted.
func plainSteps(job *Job, k, steps int, w vector, step func(w, g vector) vector) vector {
	examples, batch := job.Shards[k], job.Local.Schedule.Batch
	for s := range steps {
		var chosen []int32
		for j := range batch {
			chosen = append(chosen, examples[(s*batch+j)%len(examples)])
		}
		w = w.minus(step(w, plainGradient(job, w, chosen)))
	}
	return w
}

// plainSGD is plainSteps of plain SGD.
func plainSGD(job *Job, k, steps int, w vector, lr float64) vector {
	return plainSteps(job, k, steps, w, func(_, g vector) vector { return make(vector, len(g)).plus(lr, g) })
}

// plainMean is the mean of vectors with weights of any unit.
func plainMean(weights []float64, vectors []vector) vector {
	sum, total := make(vector, len(vectors[0])), 0.0
	for i, v := range vectors {
		sum = sum.plus(weights[i], v)
		total += weights[i]
	}
	return make(vector, len(sum)).plus(1/total, sum)
}

// sequential is local work on consecutive batches of 3.
func sequential(steps int, l Local) Local {
	l.Schedule = shard.Schedule{Order: shard.Sequential, Batch: 3, Steps: steps}
	return l
}

// unequalJob has four shards of 15, 4, 15 and 9 examples.
func unequalJob(t testing.TB, l Local) *Job {
	job := tinyJob(t, 4, l)
	job.Shards[1], job.Shards[3] = job.Shards[1][:4], job.Shards[3][:9]
	return job
}

// plans makes a plan of each round's participants, with at most steps[k] steps for shard k; nil is as many as there are.
func plans(a Algorithm, job *Job, participants [][]int, steps []int) (all []Plan) {
	for r, shards := range participants {
		var most []int
		for _, k := range shards {
			if steps != nil {
				most = append(most, steps[k])
			}
		}
		all = append(all, a.PlanOf(job, r+1, shards, most))
	}
	return all
}

// carried carries out the plans from the job's start and returns the last block and the runner.
func carried(t testing.TB, job *Job, a Algorithm, plans []Plan) ([]float32, *Runner) {
	t.Helper()
	var err error
	if job.Local, err = a.Prepare(job.Local); err != nil {
		t.Fatal(err)
	}
	r, start := &Runner{Job: job, Algorithm: a}, a.Start(job)
	next := make([]float32, len(start))
	for _, plan := range plans {
		if _, err := r.Carry(context.Background(), plan, start, next); err != nil {
			t.Fatal(err)
		}
		start, next = next, start
	}
	return start, r
}

func agree(t *testing.T, what string, got []float32, want vector) {
	t.Helper()
	largest, worst := 0.0, 0.0
	for i, x := range want {
		largest = max(largest, math.Abs(x))
		worst = max(worst, math.Abs(float64(got[i])-x))
	}
	t.Logf("%s: worst deviation %.2g of the largest value", what, worst/largest)
	if !(worst <= referenceTolerance*largest) {
		t.Errorf("%s: deviates by %g of the largest value, want at most %g", what, worst/largest, referenceTolerance)
	}
}

var someRounds = [][]int{{0, 2}, {1, 2, 3}, {0, 1}, {3}}

func startVector(job *Job) vector { return widened[float64](job.Start()) }

// Slow momentum is in units of the local rate, which halves after every round.
func TestSlowMoIsItsFormula(t *testing.T) {
	job := unequalJob(t, sequential(4, Local{SGD: SGD{LR: 0.2}, Rates: StepLR{Size: 1, Gamma: 0.5}}))
	a := Algorithm{Rule: SlowMo{LR: 0.9, Beta: 0.7}}
	got, _ := carried(t, job, a, plans(a, job, someRounds, nil))

	x, u, gamma := startVector(job), make(vector, job.Net.Parameters()), 0.2
	for _, shards := range someRounds {
		var weights []float64
		var ends []vector
		for _, k := range shards {
			weights = append(weights, float64(len(job.Shards[k])))
			ends = append(ends, plainSGD(job, k, 4, x, gamma))
		}
		u = make(vector, len(u)).plus(0.7, u).plus(1/gamma, x.minus(plainMean(weights, ends)))
		x = x.plus(-0.9*gamma, u)
		gamma /= 2
	}
	agree(t, "slowmo", got[:len(x)], x)
}

// novaSpan is the 1-norm of the coefficients with which the gradients of steps enter start - end, each computed for itself.
func novaSpan(o SGD, pull float64, steps int) float64 {
	moved, velocity := make(vector, steps), make(vector, steps)
	for s := range steps {
		g := make(vector, steps).plus(-pull, moved)
		g[s]++
		velocity = g.plus(o.Momentum, velocity)
		if o.Nesterov {
			moved = moved.plus(1, g).plus(o.Momentum, velocity)
		} else {
			moved = moved.plus(1, velocity)
		}
	}
	sum := 0.0
	for _, a := range moved {
		sum += math.Abs(a)
	}
	return sum
}

func TestFedNovaIsItsFormula(t *testing.T) {
	steps := []int{2, 7, 3, 5}
	for name, l := range map[string]Local{
		"plain":                 {SGD: SGD{LR: 0.1}},
		"momentum":              {SGD: SGD{LR: 0.1, Momentum: 0.8}},
		"prox":                  {SGD: SGD{LR: 0.1}, ProxMu: 2},
		"nesterov and prox":     {SGD: SGD{LR: 0.1, Momentum: 0.5, Nesterov: true}, ProxMu: 0.5},
		"momentum and schedule": {SGD: SGD{LR: 0.1, Momentum: 0.8}, ProxMu: 1, Rates: StepLR{Size: 2, Gamma: 0.5}},
	} {
		job := unequalJob(t, sequential(7, l))
		a := Algorithm{Rule: FedNova{LR: 0.8}}
		got, _ := carried(t, job, a, plans(a, job, someRounds, steps))
		x := startVector(job)
		for r, shards := range someRounds {
			lr := l.RateIn(r + 1)
			total, effective, moved := 0.0, 0.0, make(vector, len(x))
			for _, k := range shards {
				p, start := float64(len(job.Shards[k])), x
				velocity := make(vector, len(x))
				end := plainSteps(job, k, steps[k], x, func(w, g vector) vector {
					g = g.plus(l.ProxMu, w.minus(start))
					velocity = g.plus(l.SGD.Momentum, velocity)
					if l.SGD.Nesterov {
						return make(vector, len(g)).plus(lr, g.plus(l.SGD.Momentum, velocity))
					}
					return make(vector, len(g)).plus(lr, velocity)
				})
				span := novaSpan(l.SGD, lr*l.ProxMu, steps[k])
				tau := span
				if l.ProxMu != 0 {
					tau = float64(steps[k])
				}
				total, effective = total+p, effective+p*tau
				moved = moved.plus(p/span, x.minus(end))
			}
			x = x.plus(-0.8*effective/total/total, moved)
		}
		agree(t, "fednova, "+name, got, x)
	}
}

// plainScaffold runs SCAFFOLD with either option and returns the model, c and every c_i.
func plainScaffold(job *Job, option int, lr, serverLR float64, rounds [][]int) (x, c vector, own []vector) {
	steps := job.Local.Schedule.Steps
	x = startVector(job)
	c, own = make(vector, len(x)), make([]vector, len(job.Shards))
	for k := range own {
		own[k] = make(vector, len(x))
	}
	for _, shards := range rounds {
		moved, change := make(vector, len(x)), make(vector, len(x))
		for _, k := range shards {
			end := plainSteps(job, k, steps, x, func(_, g vector) vector {
				return make(vector, len(g)).plus(lr, g.plus(1, c).minus(own[k]))
			})
			renewed := own[k].minus(c).plus(1/(float64(steps)*lr), x.minus(end))
			if option == 1 {
				renewed = plainGradient(job, x, job.Shards[k])
			}
			moved = moved.plus(1/float64(len(shards)), end.minus(x))
			change = change.plus(1/float64(len(job.Shards)), renewed.minus(own[k]))
			own[k] = renewed
		}
		x, c = x.plus(serverLR, moved), c.plus(1, change)
	}
	return x, c, own
}

func TestScaffoldIsItsFormula(t *testing.T) {
	for _, option := range []int{1, 2} {
		job := unequalJob(t, sequential(5, Local{SGD: SGD{LR: 0.1}}))
		a := Algorithm{Rule: Scaffold{LR: 0.8, Option: option}}
		got, r := carried(t, job, a, plans(a, job, someRounds, nil))
		x, c, own := plainScaffold(job, option, 0.1, 0.8, someRounds)
		n := len(x)
		agree(t, "scaffold's model", got[:n], x)
		agree(t, "scaffold's c", got[n:], c)
		for k, state := range r.State().Shards {
			agree(t, "scaffold's c_i", state, own[k])
		}
	}
}

// The prox term is pulled to the start, after clipping; the clipped update is as long as its bound.
func TestClippedUpdatesAreTheirFormula(t *testing.T) {
	const bound = 0.05
	job := unequalJob(t, sequential(5, Local{SGD: SGD{LR: 0.1}, ClipNorm: 0.3, ProxMu: 1.5, ClipUpdate: bound}))
	a := Algorithm{Rule: FedAvg{LR: 1}}
	got, _ := carried(t, job, a, plans(a, job, someRounds, nil))
	x, shortened := startVector(job), 0
	for _, shards := range someRounds {
		var weights []float64
		var ends []vector
		for _, k := range shards {
			start := x
			end := plainSteps(job, k, 5, x, func(w, g vector) vector {
				g = make(vector, len(g)).plus(min(1, 0.3/g.norm()), g)
				return make(vector, len(g)).plus(0.1, g.plus(1.5, w.minus(start)))
			})
			if d := end.minus(x); d.norm() > bound {
				shortened++
				end = x.plus(bound/d.norm(), d)
			}
			weights, ends = append(weights, float64(len(job.Shards[k]))), append(ends, end)
		}
		x = plainMean(weights, ends)
	}
	agree(t, "clipped", got, x)
	if shortened == 0 {
		t.Error("no update was longer than the bound")
	}
}

// The last layer is every shard's own, with its momentum; the rest is shared.
func TestPersonalTensorsAreTheirFormula(t *testing.T) {
	job := unequalJob(t, sequential(4, Local{SGD: SGD{LR: 0.1, Momentum: 0.5}, KeepState: true, Personal: []string{"4.*"}}))
	a := Algorithm{Rule: FedAvg{LR: 0.9}}
	got, r := carried(t, job, a, plans(a, job, someRounds, nil))
	x := startVector(job)
	own, velocity := make([]vector, len(job.Shards)), make([]vector, len(job.Shards))
	view, _ := job.Net.Layout().Lookup("4.weight")
	at := view.Offset
	for k := range own {
		own[k], velocity[k] = slices.Clone(x[at:]), make(vector, len(x))
	}
	for _, shards := range someRounds {
		var weights []float64
		var ends []vector
		for _, k := range shards {
			end := plainSteps(job, k, 4, append(slices.Clone(x[:at]), own[k]...), func(_, g vector) vector {
				velocity[k] = g.plus(0.5, velocity[k])
				return make(vector, len(g)).plus(0.1, velocity[k])
			})
			own[k] = slices.Clone(end[at:])
			weights, ends = append(weights, float64(len(job.Shards[k]))), append(ends, append(end[:at], x[at:]...))
		}
		x = x.plus(0.9, plainMean(weights, ends).minus(x))
	}
	agree(t, "what is shared", got, x)
	for k, state := range r.State().Shards {
		agree(t, "a shard's momentum", state[:len(x)], velocity[k])
		agree(t, "a shard's own layer", state[len(x):], own[k])
	}
	if start := job.Start(); !slices.Equal(bitsOf(got[at:]), bitsOf(start[at:])) {
		t.Error("personal tensors of the model have moved")
	}
}

// One step a round at first, then as many as the schedule says.
func TestPostLocalIsItsFormula(t *testing.T) {
	job := unequalJob(t, sequential(4, Local{SGD: SGD{LR: 0.1}, PostLocal: 2}))
	a := Algorithm{Rule: FedAvg{LR: 1}}
	got, _ := carried(t, job, a, plans(a, job, someRounds, nil))
	x := startVector(job)
	for r, shards := range someRounds {
		steps := 4
		if r+1 <= 2 {
			steps = 1
		}
		var weights []float64
		var ends []vector
		for _, k := range shards {
			weights, ends = append(weights, float64(len(job.Shards[k]))), append(ends, plainSGD(job, k, steps, x, 0.1))
		}
		x = plainMean(weights, ends)
	}
	agree(t, "post-local", got, x)
}
