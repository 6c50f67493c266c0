package localsgd

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// attackedJob has ten shards of six examples, and batch norm; half of the shards attack.
func attackedJob(t *testing.T, attack Attack) *Job {
	t.Helper()
	job := oneShard(t, batchNormLayers(), 60, Local{Schedule: shard.Schedule{Batch: 3, Epochs: 2}, SGD: SGD{LR: 0.1}})
	all := job.Shards[0]
	job.Shards = nil
	for part := range slices.Chunk(all, 6) {
		job.Shards = append(job.Shards, part)
	}
	job.Byzantine = Byzantine{Fraction: 0.5, Attack: attack}
	return job
}

// sent makes the task of a shard in a round and returns what it sends.
func sent(t *testing.T, job *Job, round, k int) []float32 {
	t.Helper()
	start := job.Start()
	end := make([]float32, len(start))
	if _, err := NewTrainer(job).Train(context.Background(), Task{Round: round, Shard: k}, NewGrid(job.Layout(), start), Blocks{Start: start, End: end}); err != nil {
		t.Fatal(err)
	}
	return end
}

// eachParameter visits the elements of blocks that are no running statistics.
func eachParameter(job *Job, visit func(j int)) {
	for _, s := range parameterSpans(job.Net.Layout()) {
		for j := s.from; j < s.to; j++ {
			visit(j)
		}
	}
}

func TestAttackersAreDrawn(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(10) {
		attackers := Byzantine{Fraction: 0.25, Attack: LabelFlip{}}.Attackers(seed, 10)
		var who []byte
		count := 0
		for _, attacks := range attackers {
			who = append(who, "-x"[map[bool]int{true: 1}[attacks]])
			if attacks {
				count++
			}
		}
		seen[string(who)] = true
		if count != 3 { // 2.5, half up
			t.Errorf("seed %d: %d of 10 attack: %s", seed, count, who)
		}
	}
	if len(seen) < 5 {
		t.Errorf("10 seeds draw only %v", seen)
	}
	if a := (Byzantine{Fraction: 1}).Attackers(1, 5); a != nil {
		t.Errorf("without an attack %v attack", a)
	}
}

// Attackers change parameters by their formula and keep running statistics; the others are as without an attack.
func TestAttacksAreTheirFormulas(t *testing.T) {
	for name, c := range map[string]struct {
		attack Attack
		want   func(start, end float64) float64
	}{
		"sign_flip":               {SignFlip{Scale: 3}, func(start, end float64) float64 { return start - 3*(end-start) }},
		"same_value":              {SameValue{Value: -0.5}, func(float64, float64) float64 { return -0.5 }},
		"sign_flip without scale": {SignFlip{}, func(start, _ float64) float64 { return start }},
	} {
		job := attackedJob(t, c.attack)
		honestJob := attackedJob(t, nil)
		start, attackers := job.Start(), job.attackers()
		for k := range job.Shards {
			got, want := sent(t, job, 1, k), sent(t, honestJob, 1, k)
			if attackers[k] {
				eachParameter(job, func(j int) { want[j] = float32(c.want(float64(start[j]), float64(want[j]))) })
			}
			if !slices.Equal(bitsOf(got), bitsOf(want)) {
				t.Errorf("%s: shard %d (attacks: %t) differs by %g", name, k, attackers[k], maxDifference(got, want))
			}
		}
	}
}

// Noise has the size that it should have, and is another one in each round and shard.
func TestScaledNoise(t *testing.T) {
	job := attackedJob(t, ScaledNoise{Scale: 4})
	honestJob := attackedJob(t, nil)
	start := job.Start()
	var noise, size float64
	var all [][]float32
	for k, attacks := range job.attackers() {
		if !attacks {
			continue
		}
		got, honest := sent(t, job, 3, k), sent(t, honestJob, 3, k)
		all = append(all, got, sent(t, job, 4, k))
		if again := sent(t, job, 3, k); !slices.Equal(again, got) {
			t.Error("the same task sends something else")
		}
		eachParameter(job, func(j int) {
			noise += math.Pow(float64(got[j]-start[j]), 2)
			size += math.Pow(float64(honest[j]-start[j]), 2)
		})
	}
	if ratio := math.Sqrt(noise / size); math.Abs(ratio-4) > 0.8 { // some hundred draws
		t.Errorf("noise is %g times the differences, want 4", ratio)
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if a[0]-start[0] == b[0]-start[0] {
				t.Error("two updates have the same noise")
			}
		}
	}
}

// An attacker with flipped labels is an honest shard whose data have them.
func TestLabelFlip(t *testing.T) {
	job, honestJob := attackedJob(t, LabelFlip{}), attackedJob(t, nil)
	train := *honestJob.Data.Train
	train.Labels = slices.Clone(train.Labels)
	for i := range train.Labels {
		train.Labels[i] = int32(train.Classes) - 1 - train.Labels[i]
	}
	flippedJob := attackedJob(t, nil)
	flippedJob.Data.Train = &train
	for k, attacks := range job.attackers() {
		want := sent(t, honestJob, 2, k)
		if attacks {
			want = sent(t, flippedJob, 2, k)
		}
		if got := sent(t, job, 2, k); !slices.Equal(bitsOf(got), bitsOf(want)) {
			t.Errorf("shard %d (attacks: %t) differs by %g", k, attacks, maxDifference(got, want))
		}
	}
	targets := *job.Data.Train
	targets.Classes, targets.Labels = 0, nil
	targets.Targets = make([]float32, targets.N*targets.Outputs)
	net, err := relu.New(relu.MLP{Input: targets.Size(), Output: targets.Outputs}.Layers(), targets.Shape, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	job.Data, job.Net = shard.Data{Train: &targets}, net
	if err := job.Check(); err == nil || !strings.Contains(err.Error(), "label_flip needs class labels") {
		t.Errorf("label_flip of targets: %v", err)
	}
}

// However large an attack is, the coordinator takes it.
func TestAttacksStayInRange(t *testing.T) {
	for _, attack := range []Attack{SameValue{Value: 1e12}, ScaledNoise{Scale: 1e12}, SignFlip{Scale: 1e300}} {
		job := attackedJob(t, attack)
		largest := float32(0)
		for k := range job.Shards {
			block := sent(t, job, 1, k)
			eachParameter(job, func(j int) { largest = max(largest, block[j]) })
		}
		if largest < 1000 {
			t.Errorf("%+v: the largest value is %g", attack, largest)
		}
	}
}

// A few attackers ruin a mean, and not a median.
func TestMedianBearsWhatTheMeanDoesNot(t *testing.T) {
	accuracy := make(map[string]float64)
	for _, rule := range []Rule{FedAvg{LR: 1}, Median{}} {
		for _, attack := range []Attack{nil, SignFlip{Scale: 4}} {
			job := tinyJob(t, 10, Local{Schedule: shard.Schedule{Batch: 3, Epochs: 5}, SGD: SGD{LR: 0.2}})
			job.Byzantine = Byzantine{Fraction: 0.2, Attack: attack}
			score, err := NewEvaluator(job.Net, job.Data.Test, 1).Evaluate(context.Background(), runTiny(t, job, Algorithm{Rule: rule}, 10))
			if err != nil {
				t.Fatal(err)
			}
			accuracy[rule.Name()+map[bool]string{true: " attacked"}[attack != nil]] = score.Accuracy
		}
	}
	t.Log(accuracy)
	if accuracy["fedavg"] < 0.9 || accuracy["median"] < 0.9 || accuracy["median attacked"] < 0.75 || accuracy["fedavg attacked"] > 0.6 {
		t.Errorf("accuracies %v", accuracy)
	}
}

func TestAttacksHaveNoFormInFloat64Models(t *testing.T) {
	job := attackedJob(t, SignFlip{Scale: 1})
	_, err := (&RunnerIn[float64]{Job: job, Algorithm: Algorithm{Rule: FedAvg{LR: 1}}}).Run(context.Background(), 1, nil)
	if err == nil || !strings.Contains(err.Error(), "attacks") {
		t.Errorf("got %v", err)
	}
}
