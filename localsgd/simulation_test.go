package localsgd

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func slowJob(t testing.TB, shards, epochs int) *Job {
	return tinyJob(t, shards, Local{Schedule: shard.Schedule{Batch: 2, Epochs: epochs}, SGD: SGD{LR: 0.1}})
}

func anySimulation(t *rapid.T) Simulation {
	fraction := rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 1})
	return Simulation{
		Stragglers: fraction.Draw(t, "stragglers"),
		Dropout:    fraction.Draw(t, "dropout"),
		Speed:      rapid.SampledFrom([]Speed{{}, {Sigma: 1}, {Low: 0.1, High: 2}}).Draw(t, "speed"),
		Deadline:   rapid.SampledFrom([]float64{0, 0.5, 4, 7, 1000}).Draw(t, "deadline"),
		Partial:    rapid.Bool().Draw(t, "partial"),
	}
}

// Whatever is simulated: a plan is a function of (seed, round), tasks and absences together are who was invited, no task
// makes more steps than it has or none at all, and without Partial each makes all.
func TestSimulatedPlans(t *testing.T) {
	jobs := []*Job{slowJob(t, 10, 3), slowJob(t, 10, 1), slowJob(t, 30, 1)} // tasks of 9, 3 and 1 steps
	rapid.Check(t, func(t *rapid.T) {
		job := rapid.SampledFrom(jobs).Draw(t, "job")
		a := Algorithm{Rule: FedAvg{LR: 1}, Simulation: anySimulation(t)}
		a.Participation = Participation{Partial: true, Count: rapid.IntRange(1, 10).Draw(t, "count"), Over: rapid.SampledFrom([]float64{0, 1.5, 4}).Draw(t, "over")}
		a.Participation.BySize = rapid.Bool().Draw(t, "by size")
		round := rapid.IntRange(1, 1000).Draw(t, "round")
		plan := a.Plan(job, round)
		if again := a.Plan(job, round); !reflect.DeepEqual(plan, again) {
			t.Fatalf("planned as %+v, then as %+v", plan, again)
		}
		invited := plan.Shards()
		drawn := a.Participation.Draw(job.Seed, round, job.Examples(inOrder(len(job.Shards))))
		size := a.Participation.Size(len(job.Shards))
		if a.Simulation == (Simulation{}) {
			size = len(drawn) // the close of a real round decides who counts
		}
		if len(invited) == 0 || len(invited) > size || !slices.IsSorted(invited) {
			t.Fatalf("shards %v have tasks, want 1 to %d", invited, size)
		}
		for _, absence := range plan.Absent {
			invited = append(invited, absence.Shards...)
		}
		if slices.Sort(invited); !slices.Equal(invited, distinct(drawn)) && a.Simulation != (Simulation{}) {
			t.Fatalf("tasks and absences of %v, invited are %v", invited, drawn)
		}
		for i, task := range plan.Tasks {
			whole := job.Steps(Task{Round: round, Shard: task.Shard})
			if made := job.Steps(plan.Task(i)); made < 1 || made > whole || !a.Simulation.Partial && made != whole {
				t.Fatalf("shard %d makes %d of %d steps", task.Shard, made, whole)
			}
		}
	})
}

// FedProx's experiment: of ten participants nine are stragglers, who get through 1 to 4 of 5 epochs. The work that is kept
// and the work that is dropped are of the same shards.
func TestStragglersAreAFraction(t *testing.T) {
	job := slowJob(t, 20, 5)
	a := Algorithm{Rule: FedAvg{LR: 1}, Participation: Participation{Partial: true, Count: 10}}
	epochs := map[int]int{}
	for round := 1; round <= 200; round++ {
		a.Simulation = Simulation{Stragglers: 0.9, Partial: true}
		kept := a.Plan(job, round)
		a.Simulation.Partial = false
		dropped := a.Plan(job, round)
		if len(kept.Tasks) != 10 || len(dropped.Tasks) != 1 || len(dropped.Absent) != 1 || len(dropped.Absent[0].Shards) != 9 {
			t.Fatalf("round %d: %d tasks with the stragglers, %d without, absent %v", round, len(kept.Tasks), len(dropped.Tasks), dropped.Absent)
		}
		for _, task := range kept.Tasks {
			switch late := slices.Contains(dropped.Absent[0].Shards, task.Shard); {
			case late == (task.Steps == 0) || task.Steps%2 != 0: // two steps an epoch
				t.Fatalf("round %d: shard %d, straggler %t, makes %d steps", round, task.Shard, late, task.Steps)
			case late:
				epochs[task.Steps/2]++
			}
		}
	}
	for e := 1; e <= 4; e++ { // of 1800 a quarter each; five standard deviations are 92
		if n := epochs[e]; math.Abs(float64(n)-450) > 92 || len(epochs) != 4 {
			t.Errorf("%d stragglers got through %d epochs, want about 450", n, e)
		}
	}
}

// With speeds and a deadline a shard makes as many steps as it has time for, and the same ones in every round.
func TestDeadlineCutsByspeed(t *testing.T) {
	job := slowJob(t, 20, 5)
	s := Simulation{Speed: Speed{Sigma: 1}, Deadline: 8, Partial: true}
	a := Algorithm{Rule: FedAvg{LR: 1}, Simulation: s}
	first := a.Plan(job, 1)
	partial := 0
	for i, task := range first.Tasks {
		whole := job.Steps(Task{Round: 1, Shard: task.Shard})
		want := min(whole, int(math.Floor(8*s.Speed.of(job.Seed, task.Shard))))
		if got := job.Steps(first.Task(i)); got != want {
			t.Errorf("shard %d makes %d steps, want %d", task.Shard, got, want)
		}
		if want < whole {
			partial++
		}
	}
	if partial == 0 || partial == 20 {
		t.Errorf("%d of 20 shards are slow", partial)
	}
	if second := a.Plan(job, 2); !slices.Equal(second.Tasks, first.Tasks) || !reflect.DeepEqual(second.Absent, first.Absent) {
		t.Error("speeds change from round to round")
	}
}

// Of those invited too many, the fastest count.
func TestOverSelectionTakesTheFastest(t *testing.T) {
	job := slowJob(t, 20, 1)
	s := Simulation{Speed: Speed{Low: 0.1, High: 3}}
	a := Algorithm{Rule: FedAvg{LR: 1}, Simulation: s, Participation: Participation{Partial: true, Count: 4, Over: 2}}
	plan := a.Plan(job, 3)
	if len(plan.Tasks) != 4 || len(plan.Absent) != 1 || len(plan.Absent[0].Shards) != 4 || plan.Absent[0].Why != notFirst {
		t.Fatalf("%d tasks, absent %v", len(plan.Tasks), plan.Absent)
	}
	took := func(k int) float64 { return float64(job.Steps(Task{Round: 3, Shard: k})) / s.Speed.of(job.Seed, k) }
	for _, task := range plan.Tasks {
		for _, k := range plan.Absent[0].Shards {
			if took(task.Shard) > took(k) {
				t.Errorf("shard %d counts, shard %d was faster", task.Shard, k)
			}
		}
	}
}

func TestSpeedsAreOfTheirDistribution(t *testing.T) {
	const n = 20_000
	var logs, flat float64
	for k := range n {
		logs += math.Log(Speed{Sigma: 0.5}.of(1, k))
		flat += Speed{Low: 1, High: 3}.of(1, k)
	}
	// five standard errors: 0.5 and 2/sqrt(12) over sqrt(n)
	if math.Abs(logs/n) > 0.018 || math.Abs(flat/n-2) > 0.021 {
		t.Errorf("mean logarithm %g, want 0; mean %g, want 2", logs/n, flat/n)
	}
}
