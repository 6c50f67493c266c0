package localsgd

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// someArrivals are rounds of three updates of four shards, some of them up to three rounds old.
var someArrivals = [][]Arrival{
	{{0, 2}, {0, 0}, {0, 1}},
	{{1, 0}, {0, 3}, {1, 2}},
	{{1, 1}, {2, 0}, {2, 3}},
	{{3, 3}, {1, 3}, {2, 2}},
	{{4, 0}, {2, 1}, {3, 1}},
}

// asyncJob is unequalJob with local work as FedBuff needs it.
func asyncJob(t testing.TB, a Algorithm, l Local) *Job {
	t.Helper()
	l, err := a.Prepare(l)
	if err != nil {
		t.Fatal(err)
	}
	return unequalJob(t, l)
}

func carryAll(t testing.TB, job *Job, a Algorithm, rounds [][]Arrival) *AsyncRunner {
	t.Helper()
	r := &AsyncRunner{Job: job, Algorithm: a}
	for _, updates := range rounds {
		if _, err := r.Carry(context.Background(), updates); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// The oracle keeps every model and walks over the updates one by one.
func TestFedBuffIsItsFormula(t *testing.T) {
	for name, rule := range map[string]FedBuff{
		"polynomial": {LR: 0.7, Beta: 0.6, Buffer: 3, Exponent: 0.5, After: 1, MaxStaleness: 3},
		"constant":   {LR: 1, Buffer: 3, After: 1, MaxStaleness: 3},
		"threshold":  {LR: 0.9, Beta: 0.3, Buffer: 3, Threshold: 1, After: 0.25, MaxStaleness: 3},
	} {
		discount := func(tau int) float64 {
			s := 1 / math.Pow(1+float64(tau), rule.Exponent)
			if tau > rule.Threshold {
				s *= rule.After
			}
			return s
		}
		for _, weighting := range []Weighting{ByExamples, Uniform} {
			a := Algorithm{Rule: rule, Weighting: weighting}
			job := asyncJob(t, a, sequential(4, Local{SGD: SGD{LR: 0.2}}))
			got := carryAll(t, job, a, someArrivals).Model()

			models, v := []vector{startVector(job)}, make(vector, job.Net.Parameters())
			for _, updates := range someArrivals {
				newest, total := len(models)-1, 0.0
				sum := make(vector, len(v))
				for _, u := range updates {
					n := 1.0
					if weighting == ByExamples {
						n = float64(len(job.Shards[u.Shard]))
					}
					total += n
					end := plainSGD(job, u.Shard, 4, models[u.Version], 0.2)
					sum = sum.plus(n*discount(newest-u.Version), end.minus(models[u.Version]))
				}
				v = make(vector, len(v)).plus(rule.Beta, v).plus(-1/total, sum)
				models = append(models, models[newest].plus(-rule.LR, v))
			}
			agree(t, name, got, models[len(models)-1])
		}
	}
}

// Fresh updates of shards that count alike are FedAvgM, bit for bit.
func TestFreshFedBuffIsFedAvgM(t *testing.T) {
	local := Local{Schedule: shard.Schedule{Epochs: 2, Batch: 4}, SGD: SGD{LR: 0.1, Momentum: 0.5}}
	for _, beta := range []float64{0, 0.9} {
		a := Algorithm{Rule: FedBuff{LR: 0.7, Beta: beta, Buffer: 4, Exponent: 0.5, After: 1}, Weighting: Uniform}
		var rounds [][]Arrival
		for v := range 4 {
			rounds = append(rounds, []Arrival{{v, 3}, {v, 0}, {v, 2}, {v, 1}})
		}
		got := carryAll(t, asyncJob(t, a, local), a, rounds).Model()
		want := runTiny(t, unequalJob(t, local), Algorithm{Rule: FedAvgM{LR: 0.7, Beta: beta}, Weighting: Uniform}, 4)
		if !slices.Equal(bitsOf(got), bitsOf(want)) {
			t.Errorf("beta %g: differs by %g", beta, maxDifference(got, want))
		}
	}
}

// fill puts updates with drawn ends into a buffer of round 4.
func fill(t testing.TB, b *Buffer, order []Arrival) {
	t.Helper()
	b.Begin(4)
	block := func(name string, path ...uint64) []float32 {
		x, s := make([]float32, b.job.Net.Parameters()), keyed.New(5, name, path...)
		for i := range x {
			x[i] = float32(s.Normal())
		}
		return x
	}
	for _, u := range order {
		if err := b.Add(u, block("start", uint64(u.Version)), block("end", uint64(u.Version), uint64(u.Shard))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheOrderOfArrivalChangesNothing(t *testing.T) {
	a := Algorithm{Rule: FedBuff{LR: 0.7, Beta: 0.9, Buffer: 4, Exponent: 0.5, After: 1, MaxStaleness: 3}}
	job := asyncJob(t, a, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}})
	b, err := NewBuffer(job, a)
	if err != nil {
		t.Fatal(err)
	}
	updates := []Arrival{{3, 0}, {1, 2}, {3, 1}, {1, 0}}
	start := a.Start(job)
	finish := func(order []Arrival) []float32 {
		fill(t, b, order)
		next := make([]float32, len(start))
		if err := b.Finish(start, next); err != nil {
			t.Fatal(err)
		}
		return next
	}
	want := finish(updates)
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Permutation(updates).Draw(rt, "order")
		if got := finish(order); !slices.Equal(bitsOf(got), bitsOf(want)) {
			rt.Errorf("%v gives other bits than %v", order, updates)
		}
	})
}

func bytesOf(block []float32) *bytes.Buffer {
	var b bytes.Buffer
	for part := range tensor.Chunks(block, 1<<16) {
		b.Write(part)
	}
	return &b
}

// Updates in their byte form give the same bits.
func TestBuffersTakeBytes(t *testing.T) {
	a := Algorithm{Rule: FedBuff{LR: 0.7, Beta: 0.9, Buffer: 4, Exponent: 0.5, After: 1, MaxStaleness: 3}}
	job := asyncJob(t, a, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}})
	start, end := a.Start(job), job.Start()
	var models [2][]float32
	for i := range models {
		b, err := NewBuffer(job, a)
		if err != nil {
			t.Fatal(err)
		}
		b.Begin(4)
		for j, u := range []Arrival{{3, 0}, {1, 2}, {3, 1}, {1, 0}} {
			end[j] += 0.25
			if i == 0 {
				err = b.Add(u, job.Start(), end)
			} else {
				err = b.AddFrom(u, job.Start(), bytesOf(end))
			}
			if err != nil {
				t.Fatal(err)
			}
			if whole, counts := b.Share(u.Shard), b.Counts(u); (whole == counts) != (u.Version == 3) || counts > whole {
				t.Errorf("%+v counts %d of %d", u, counts, whole)
			}
		}
		end = job.Start()
		models[i] = make([]float32, len(start))
		if err := b.Finish(start, models[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(bitsOf(models[0]), bitsOf(models[1])) {
		t.Errorf("differs by %g", maxDifference(models[0], models[1]))
	}
}

func TestBuffersRefuse(t *testing.T) {
	a := Algorithm{Rule: FedBuff{LR: 1, Buffer: 2, After: 1, MaxStaleness: 1}}
	job := asyncJob(t, a, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}})
	b, err := NewBuffer(job, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(a.Start(job), a.Start(job)); !errors.Is(err, ErrNoUpdates) {
		t.Errorf("an empty buffer: got %v, want ErrNoUpdates", err)
	}
	fill(t, b, []Arrival{{2, 1}})
	start := job.Start()
	bad := slices.Clone(start)
	bad[3] = float32(math.NaN())
	var outOfRange *RangeError
	if err := b.Add(Arrival{3, 0}, start, bad); !errors.As(err, &outOfRange) || b.Len() != 1 {
		t.Errorf("NaN: got %v with %d updates, want a RangeError and 1", err, b.Len())
	}
	for _, c := range []struct {
		Arrival
		want error
	}{{Arrival{2, 1}, ErrOverlap}, {Arrival{1, 0}, ErrStale}, {Arrival{4, 0}, ErrStale}, {Arrival{-1, 0}, ErrStale}, {Arrival{3, 1}, nil}, {Arrival{3, 0}, ErrFull}} {
		if err := b.Add(c.Arrival, start, start); !errors.Is(err, c.want) {
			t.Errorf("%+v in round 4: got %v, want %v", c.Arrival, err, c.want)
		}
	}
}

// Whatever the sizes, a timeline keeps its rules, and draws the same again.
func TestTimelinesKeepTheirRules(t *testing.T) {
	job := unequalJob(t, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}})
	dropped, stale := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		rule := FedBuff{LR: 1, Buffer: rapid.IntRange(1, 4).Draw(rt, "buffer"), After: 1, MaxStaleness: rapid.IntRange(0, 3).Draw(rt, "oldest")}
		a := Algorithm{Rule: rule, Participation: Participation{Partial: true, Count: rapid.IntRange(1, 4).Draw(rt, "training")}}
		job := *job
		job.Seed = rapid.Uint64().Draw(rt, "seed")
		timeline, again := NewTimeline(&job, a), NewTimeline(&job, a)
		seen := make(map[Arrival]bool)
		for version := range 20 {
			counted, late := timeline.Next()
			same, lateToo := again.Next()
			if !slices.Equal(counted, same) || !slices.Equal(late, lateToo) {
				rt.Fatalf("%v and %v, then %v and %v", counted, late, same, lateToo)
			}
			if len(counted) != rule.Buffer {
				rt.Fatalf("%d updates, want %d", len(counted), rule.Buffer)
			}
			for _, u := range slices.Concat(counted, late) {
				if seen[u] {
					rt.Fatalf("%+v came twice", u)
				}
				seen[u] = true
			}
			for _, u := range counted {
				if tau := version - u.Version; tau < 0 || tau > rule.MaxStaleness {
					rt.Fatalf("%+v counts in round %d", u, version+1)
				}
				if u.Version < version {
					stale++
				}
			}
			for _, u := range late {
				if version-u.Version <= rule.MaxStaleness {
					rt.Fatalf("%+v was dropped in round %d", u, version+1)
				}
			}
			dropped += len(late)
		}
	})
	if dropped == 0 || stale == 0 {
		t.Errorf("%d updates were dropped, %d stale ones counted: want some of both", dropped, stale)
	}
}

// asyncRunner is a simulated run with stale updates.
func asyncRunner(t testing.TB) *AsyncRunner {
	a := Algorithm{Rule: FedBuff{LR: 0.7, Beta: 0.9, Buffer: 2, Exponent: 0.5, After: 1, MaxStaleness: 2}}
	return &AsyncRunner{Job: asyncJob(t, a, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}}), Algorithm: a}
}

// A run goes on from its state after any round, and is repeated from nothing but the order of what came in.
func TestAsynchronousRunsAreReplayable(t *testing.T) {
	const rounds = 12
	r := asyncRunner(t)
	var states []AsyncState
	var order [][]Arrival
	oldest := 0
	if _, err := r.Run(t.Context(), rounds, func(f AsyncFacts, _ []float32) error {
		states, order = append(states, r.State()), append(order, f.Arrivals)
		for _, u := range f.Arrivals {
			oldest = max(oldest, f.Round-1-u.Version)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if oldest != 2 {
		t.Fatalf("the oldest update was %d rounds old, want 2, or nothing is tested", oldest)
	}
	replayed := carryAll(t, asyncRunner(t).Job, r.Algorithm, order)
	for _, s := range states {
		again := asyncRunner(t)
		if err := again.Resume(s); err != nil {
			t.Fatal(err)
		}
		if _, err := again.Run(t.Context(), rounds, nil); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string][]float32{"resumed": again.State().Block, "replayed": replayed.State().Block} {
			if !slices.Equal(bitsOf(got), bitsOf(states[rounds-1].Block)) {
				t.Errorf("%s after round %d: differs by %g", name, s.Round, maxDifference(got, states[rounds-1].Block))
			}
		}
	}
	last := &order[rounds-1][0]
	if last.Version--; rounds-1-last.Version > 2 {
		last.Version += 2
	}
	if other := carryAll(t, r.Job, r.Algorithm, order); slices.Equal(bitsOf(other.Model()), bitsOf(r.Model())) {
		t.Error("another start model makes no difference")
	}
}

// Running statistics take the mean of the updates by what they count, however old their starts and whatever the server's rate.
func TestFedBuffAveragesBuffers(t *testing.T) {
	job := oneShard(t, batchNormLayers(), 8, Local{Schedule: shard.Schedule{Batch: 4, Epochs: 1}, SGD: SGD{LR: 0.1}})
	job.Shards = shard.Shards{job.Shards[0], job.Shards[0][:4]}
	a := Algorithm{Rule: FedBuff{LR: 40, Beta: 0.5, Buffer: 2, Exponent: 1, After: 1, MaxStaleness: 3}}
	b, err := NewBuffer(job, a)
	if err != nil {
		t.Fatal(err)
	}
	b.Begin(4)
	start, next := a.Start(job), a.Start(job)
	n := job.Net.Parameters()
	ends := [2][]float32{slices.Clone(start[:n]), slices.Clone(start[:n])}
	for i := range n {
		ends[0][i], ends[1][i] = 2, 5
	}
	for k, version := range []int{3, 2} {
		if err := b.Add(Arrival{version, k}, start[:n], ends[k]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(start, next); err != nil {
		t.Fatal(err)
	}
	// The second counts half its examples' share: (8 * 2 + 4/2 * 5) / (8 + 4/2) = 2.6.
	for i := range job.Net.Layout().Len() {
		v := job.Net.Layout().At(i)
		for _, x := range next[v.Offset:][:v.Size] {
			if near := math.Abs(float64(x)-2.6) < 1e-6; near != v.Buffer {
				t.Fatalf("%s has %v: the mean of the ends is 2.6", v.Name, x)
			}
		}
	}
}

func TestWhatFedBuffDoesNotGoWith(t *testing.T) {
	rule := FedBuff{LR: 1, Buffer: 5, After: 1}
	job := unequalJob(t, Local{Schedule: shard.Schedule{Epochs: 1, Batch: 4}, SGD: SGD{LR: 0.1}})
	if err := (Algorithm{Rule: rule}).Check(job); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("a buffer of 5 with 4 shards: got %v, want ErrAlgorithm", err)
	}
	rule.Buffer = 4
	if _, err := (&Runner{Job: job, Algorithm: Algorithm{Rule: rule}}).Run(t.Context(), 1, nil); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("in a Runner: got %v, want ErrAlgorithm", err)
	}
	if _, err := (&AsyncRunner{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}).Run(t.Context(), 1, nil); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("fedavg in an AsyncRunner: got %v, want ErrAlgorithm", err)
	}
	if _, err := rule.Local(Local{KeepState: true}); err == nil {
		t.Error("keep_state is accepted")
	}
}
