package localsgd

import (
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Byzantine lets some shards attack, for experiments on rules that resist them: their updates are changed, or what they are
// trained on. The shards are drawn by the job's seed and attack in every round that they take part in. An attack is a
// function of (seed, round, shard) and of the honest task, does not touch running statistics, and stays within the range of
// the exact mean: beyond it, a task has diverged.
type Byzantine struct {
	Fraction float64 // of the shards, 0..1, rounded half up
	Attack   Attack  // nil: nobody attacks
}

// Attack is what an attacking shard does: SignFlip, ScaledNoise, LabelFlip or SameValue.
type Attack interface {
	// Name is the attack's key in a spec.
	Name() string
	// falsify turns the end of an honest task into what is sent, element by element; visit sets them.
	falsify(f forgery, visit func(each func(start, end float64) float64))
}

// SignFlip sends the honest difference with the other sign, Scale times as long.
type SignFlip struct{ Scale float64 }

// ScaledNoise sends normal noise in the place of the difference, with Scale times its root mean square.
type ScaledNoise struct{ Scale float64 }

// LabelFlip trains honestly on the label C - 1 - y in the place of y, of C classes.
type LabelFlip struct{}

// SameValue sends a model whose parameters are all Value.
type SameValue struct{ Value float64 }

// Name returns "sign_flip".
func (SignFlip) Name() string { return "sign_flip" }

// Name returns "scaled_noise".
func (ScaledNoise) Name() string { return "scaled_noise" }

// Name returns "label_flip".
func (LabelFlip) Name() string { return "label_flip" }

// Name returns "same_value".
func (SameValue) Name() string { return "same_value" }

// forgery is a task whose update is falsified.
type forgery struct {
	seed uint64
	task Task
}

func (a SignFlip) falsify(_ forgery, visit func(func(start, end float64) float64)) {
	visit(func(start, end float64) float64 { return start - float64(a.Scale*(end-start)) })
}

func (a ScaledNoise) falsify(f forgery, visit func(func(start, end float64) float64)) {
	square, n := 0.0, 0
	visit(func(start, end float64) float64 {
		square += float64((end - start) * (end - start))
		n++
		return end
	})
	deviation := float64(a.Scale * math.Sqrt(square/float64(max(n, 1))))
	draws := keyed.New(f.seed, "byzantine noise", uint64(f.task.Round), uint64(f.task.Shard))
	visit(func(start, _ float64) float64 { return start + float64(deviation*draws.Normal()) })
}

func (LabelFlip) falsify(forgery, func(func(start, end float64) float64)) {}

func (a SameValue) falsify(_ forgery, visit func(func(start, end float64) float64)) {
	visit(func(float64, float64) float64 { return a.Value })
}

// Attackers returns which of so many shards attack in runs of this seed, by shard; nil is none.
func (b Byzantine) Attackers(seed uint64, shards int) []bool {
	if b.Attack == nil {
		return nil
	}
	attackers := make([]bool, shards)
	count := min(halfUp(float64(b.Fraction*float64(shards))), shards)
	for _, k := range keyed.New(seed, "byzantine").Perm(shards)[:count] {
		attackers[k] = true
	}
	return attackers
}

// attackers returns which shards attack; nil is none.
func (j *Job) attackers() []bool { return j.Byzantine.Attackers(j.Seed, len(j.Shards)) }

// checkAttack looks whether the data go with the attack.
func (j *Job) checkAttack() error {
	if _, flips := j.Byzantine.Attack.(LabelFlip); flips && j.Data.Train != nil && j.Data.Train.Classes == 0 {
		return errors.New("the attack label_flip needs class labels, the data have targets")
	}
	if f := j.Byzantine.Fraction; !(f >= 0 && f <= 1) {
		return fmt.Errorf("%g of the shards cannot attack, want 0 to 1", f)
	}
	return nil
}

// falsify turns the update of an attacking shard's task into what it sends.
func (t *Trainer) falsify(task Task, grid *Grid, b Blocks) {
	if task.Shard >= len(t.attackers) || !t.attackers[task.Shard] {
		return
	}
	model := t.job.Net.Layout().Len()
	t.job.Byzantine.Attack.falsify(forgery{t.job.Seed, task}, func(each func(start, end float64) float64) {
		for i := range grid.tensors[:model] {
			if v := &grid.tensors[i]; !v.Buffer {
				v.setEach(tensor.Of(b.Start, v.View), tensor.Of(b.End, v.View), each)
			}
		}
	})
}

// setEach sets every element of an end, within what an update may have.
func (t *gridTensor) setEach(start, end []float32, each func(start, end float64) float64) {
	most := float64(min(t.limit, math.MaxFloat32))
	for j, x := range end {
		end[j] = float32(max(-most, min(most, each(float64(start[j]), float64(x)))))
	}
}

// fill puts examples of a shard into the machine's batch, with the labels that the shard trains on.
func (s *solver[F]) fill(k int, examples []int32) *relu.Batch[F] {
	b := Fill(s.machine, s.job.Data.Train, examples)
	if s.flips != nil && s.flips[k] {
		flipLabels(b, int32(s.job.Data.Train.Classes))
	}
	return b
}

func flipLabels[F kernel.Float](b *relu.Batch[F], classes int32) {
	for i, y := range b.Labels {
		b.Labels[i] = classes - 1 - y
	}
}
