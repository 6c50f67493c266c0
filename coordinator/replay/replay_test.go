package replay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/replay"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

const tiny = `
rounds: 4
data: {synthetic: {gaussian: {train: 60, test: 10, inputs: 3, classes: 3}}}
shards: {count: 5, partition: {dirichlet: {alpha: 1}}}
model: {mlp: {hidden: [4]}}
participation: {count: 4}
`

// recorded makes the rounds of a spec as a coordinator would record them, where in each round one shard is late.
func recorded(t *testing.T, set ...string) (record.Run, []record.Round) {
	t.Helper()
	return recordedLosing(t, 0, set...)
}

// recordedLosing is recorded where in one round a shard has lost the state that it had.
func recordedLosing(t *testing.T, round int, set ...string) (record.Run, []record.Round) {
	t.Helper()
	s, err := spec.Parse("tiny", []byte(tiny), set)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	a := workload.Algorithm(s)
	runner := &localsgd.Runner{Job: job, Algorithm: a}
	block := a.Start(job)
	next := make([]float32, len(block))
	rounds := []record.Round{{Model: modelOf(job, block), RuleState: stateOf(job, block)}}
	for number := 1; number <= s.Rounds; number++ {
		plan := a.Plan(job, number)
		late := number % len(plan.Tasks)
		answered := slices.Delete(plan.Shards(), late, late+1)
		var fresh []int
		if number == round {
			fresh = answered[:1]
			if runner.ShardState(fresh[0]) == nil {
				t.Fatalf("shard %d has no state to lose", fresh[0])
			}
			runner.LoseShardState(fresh[0])
		}
		facts, err := runner.CarryPart(t.Context(), plan, answered, block, next)
		if err != nil {
			t.Fatal(err)
		}
		rec := record.Round{
			Number: number, Invited: plan.Invited(), Participants: answered, Missing: []int{plan.Tasks[late].Shard}, FreshStates: fresh,
			Steps: int64(facts.Steps), TrainLoss: &facts.TrainLoss, StartModel: modelOf(job, block), Model: modelOf(job, next), RuleState: stateOf(job, next),
		}
		for i, task := range plan.Tasks {
			if i == late {
				continue
			}
			rec.Weights = append(rec.Weights, uint64(task.Weight))
			rec.TaskSteps = append(rec.TaskSteps, task.Steps)
			if job.ShardState().Size() > 0 {
				rec.ShardStates = append(rec.ShardStates, tensor.HashBlock(runner.ShardState(task.Shard)))
			}
		}
		rounds = append(rounds, rec)
		block, next = next, block
	}
	run := record.Run{ID: "run0", Spec: s.Proto(), Numerics: localsgd.Numerics, Data: record.Data(data.Fingerprint()), Layout: job.Net.Layout().Fingerprint()}
	return run, rounds
}

// A shard that lost its state began without one, and only the record knows it.
func TestLostStatesAreLostAgain(t *testing.T) {
	run, rounds := recordedLosing(t, 3, "server={scaffold: {}}")
	if err := again(t.Context(), t, run, rounds); err != nil {
		t.Error(err)
	}
	rounds[3].FreshStates = nil
	if err := again(t.Context(), t, run, rounds); !errors.Is(err, replay.ErrDifferent) {
		t.Errorf("with the state that was lost: got %v, want ErrDifferent", err)
	}
}

func modelOf(job *localsgd.Job, block []float32) tensor.Hash {
	return tensor.HashBlock(block[:job.Net.Parameters()])
}

func stateOf(job *localsgd.Job, block []float32) (h tensor.Hash) {
	if n := job.Net.Parameters(); len(block) > n {
		h = tensor.HashBlock(block[n:])
	}
	return h
}

func again(ctx context.Context, t *testing.T, run record.Run, rounds []record.Round) error {
	t.Helper()
	r, err := replay.Open(run, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range rounds {
		if err := r.Round(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// Rounds of which some answered are the same again from their record alone, whatever the rule remembers.
func TestARecordIsEnough(t *testing.T) {
	for _, set := range [][]string{
		{"server={fedavg: {}}"}, {"server={fednova: {}}"}, {"server={fedadam: {}}"}, {"server={scaffold: {}}"},
		{"server={fedavgm: {}}", "local.optimizer.sgd.momentum=0.9", "local.keep_state=true"},
		{"simulate={stragglers: {fraction: 0.5}, dropout: 0.05, partial: keep}", "local.epochs=3"},
		{"participation={count: 3, by: examples, over: 1.5}"},
	} {
		t.Run(set[0], func(t *testing.T) {
			run, rounds := recorded(t, set...)
			if err := again(t.Context(), t, run, rounds); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever of a record is not what the replay gives is named.
func TestDifferencesAreNamed(t *testing.T) {
	run, rounds := recorded(t, "server={scaffold: {}}")
	loss := 0.0
	for what, change := range map[string]func(*record.Round){
		"model_sha256": func(r *record.Round) { r.Model[0]++ },
		"rule_state":   func(r *record.Round) { r.RuleState[31]++ },
		"start_model":  func(r *record.Round) { r.StartModel[7]++ },
		"steps":        func(r *record.Round) { r.Steps++ },
		"train_loss":   func(r *record.Round) { r.TrainLoss = &loss },
		"invited":      func(r *record.Round) { r.Invited = []int{0} },
		"weight":       func(r *record.Round) { r.Weights[1]++ },
		"state":        func(r *record.Round) { r.ShardStates[2][0]++ },
	} {
		t.Run(what, func(t *testing.T) {
			changed := slices.Clone(rounds)
			changed[3].Weights, changed[3].ShardStates = slices.Clone(rounds[3].Weights), slices.Clone(rounds[3].ShardStates)
			change(&changed[3])
			want := what
			if what == "weight" || what == "state" {
				i := map[string]int{"weight": 1, "state": 2}[what]
				want += " of shard " + string(rune('0'+rounds[3].Participants[i]))
			}
			err := again(t.Context(), t, run, changed)
			var d *replay.Difference
			if !errors.As(err, &d) || !errors.Is(err, replay.ErrDifferent) || d.Round != 3 || d.What != want || d.Recorded == d.Replayed {
				t.Errorf("got %v, want a difference in %s of round 3", err, want)
			}
		})
	}
}

// Another set of answers is another model: who counted is part of what a replay proves.
func TestOtherAnswersAreADifference(t *testing.T) {
	run, rounds := recorded(t)
	rounds[2].Participants = rounds[2].Participants[1:]
	rounds[2].Weights = rounds[2].Weights[1:]
	var d *replay.Difference
	if err := again(t.Context(), t, run, rounds); !errors.As(err, &d) || d.Round != 2 || d.What != "model_sha256" {
		t.Errorf("got %v, want another model in round 2", err)
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	run, rounds := recorded(t)
	if err := again(t.Context(), t, run, slices.Delete(slices.Clone(rounds), 2, 3)); !errors.Is(err, replay.ErrCannot) {
		t.Errorf("a missing entry: got %v, want ErrCannot", err)
	}
	if err := again(t.Context(), t, run, rounds[1:]); !errors.Is(err, replay.ErrCannot) {
		t.Errorf("without round 0: got %v, want ErrCannot", err)
	}
	for name, change := range map[string]func(*record.Run){
		"numerics": func(r *record.Run) { r.Numerics++ },
		"data":     func(r *record.Run) { r.Data.TrainX[0]++ },
		"layout":   func(r *record.Run) { r.Layout[0]++ },
		"start":    func(r *record.Run) { r.StartGiven = true },
	} {
		changed := run
		change(&changed)
		if _, err := replay.Open(changed, "", func([]float32) error { return errors.New("lost") }); !errors.Is(err, replay.ErrCannot) {
			t.Errorf("%s: got %v, want ErrCannot", name, err)
		}
	}
}

// recordedAsync makes the rounds of an asynchronous spec as a coordinator would record them.
func recordedAsync(t *testing.T) (record.Run, []record.Round) {
	t.Helper()
	s, err := spec.Parse("tiny", []byte(tiny), []string{"server={fedbuff: {buffer: 2, max_staleness: 2}}", "rounds=6"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	a := workload.Algorithm(s)
	runner := &localsgd.AsyncRunner{Job: job, Algorithm: a}
	last := a.Start(job)
	rounds := []record.Round{{Model: modelOf(job, last), RuleState: stateOf(job, last)}}
	_, err = runner.Run(t.Context(), s.Rounds, func(f localsgd.AsyncFacts, _ []float32) error {
		block := runner.Stored()
		rec := record.Round{
			Number: f.Round, Steps: int64(f.Steps), TrainLoss: &f.TrainLoss,
			StartModel: rounds[f.Round-1].Model, Model: modelOf(job, block), RuleState: stateOf(job, block),
		}
		for i, u := range f.Arrivals {
			rec.Arrivals = append(rec.Arrivals, record.Arrival{Start: u.Version, Shard: u.Shard})
			rec.Participants, rec.Weights = append(rec.Participants, u.Shard), append(rec.Weights, uint64(f.Weights[i]))
		}
		rounds = append(rounds, rec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return record.Run{ID: "run0", Spec: s.Proto(), Numerics: localsgd.Numerics, Data: record.Data(data.Fingerprint()), Layout: job.Net.Layout().Fingerprint()}, rounds
}

// An asynchronous run is made again of the order that its record has, and whatever of it is something else is named.
func TestAnOrderOfArrivalIsEnough(t *testing.T) {
	run, rounds := recordedAsync(t)
	if err := again(t.Context(), t, run, rounds); err != nil {
		t.Fatal(err)
	}
	loss := 0.0
	for what, change := range map[string]func(*record.Round){
		"model_sha256": func(r *record.Round) { r.Model[0]++ },
		"rule_state":   func(r *record.Round) { r.RuleState[31]++ },
		"start_model":  func(r *record.Round) { r.StartModel[7]++ },
		"steps":        func(r *record.Round) { r.Steps++ },
		"train_loss":   func(r *record.Round) { r.TrainLoss = &loss },
		"weight":       func(r *record.Round) { r.Weights = []uint64{1, 1} },
		"arrivals":     func(r *record.Round) { r.Arrivals = rounds[3].Arrivals }, // which counted a round before
	} {
		changed := slices.Clone(rounds)
		change(&changed[4])
		var d *replay.Difference
		if err := again(t.Context(), t, run, changed); !errors.As(err, &d) || d.Round != 4 || !strings.HasPrefix(d.What, what) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
