package theory

import (
	"context"
	"fmt"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/shard/mnist"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// P1.13 on real training: 784-128-128-10 on 5,000 images of MNIST, the second layer, in three of the settings of PAPERS.md 1.6:
// half of the initial eps-rank is gone at Lambda_c within 30%, whatever batch, rate and decay.
func TestOnsetInTraining(t *testing.T) {
	if !*long {
		t.Skip("trains for seconds; -long runs it")
	}
	for _, c := range []struct {
		batch  int
		lr, wd float64
	}{{16, 0.1, 0.005}, {16, 0.05, 0.01}, {64, 0.1, 0.01}} {
		t.Run(fmt.Sprintf("B=%d,lr=%g,wd=%g", c.batch, c.lr, c.wd), func(t *testing.T) {
			job := onsetJob(t, c.batch, c.lr, c.wd)
			weight, _ := job.Net.Layout().Lookup("2.weight")
			values := func(model []float32) []float64 {
				s, err := new(analysis.Workspace).Values(tensor.Of(model, weight), 128, 128)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			initial := values(job.Start())
			lambda, found := Budget(0), 0
			runner := localsgd.Runner{Job: job, Algorithm: localsgd.Algorithm{Rule: localsgd.FedAvg{LR: 1}}}
			_, err := runner.Run(context.Background(), 1000, func(f localsgd.RoundFacts, model []float32) error {
				lambda = lambda.Add(c.lr, c.wd, float64(f.Steps))
				s := values(model)
				for eps := []float64{0.02, 0.01}[found]; analysis.EpsRank(s, eps) <= analysis.EpsRank(initial, eps)/2; eps = 0.01 {
					law, _ := Onset(initial, analysis.Frobenius(s), eps)
					t.Logf("eps %g: half of the rank is gone at %.2f, law %.2f", eps, float64(lambda), *law)
					near(t, "onset", float64(lambda), *law, 0.3)
					if found++; found == 2 {
						return localsgd.ErrStop
					}
				}
				return nil
			})
			if err != nil || found < 2 {
				t.Errorf("%d onsets, %v", found, err)
			}
		})
	}
}

func onsetJob(t testing.TB, batch int, lr, wd float64) *localsgd.Job {
	t.Helper()
	data, err := mnist.Load(shard.Training)
	if err != nil {
		t.Fatal(err)
	}
	net, err := relu.New(relu.MLP{Input: 784, Hidden: []int{128, 128}, Output: 10}.Layers(), []int{784}, relu.CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	shards, err := shard.Split(shard.IID{}, data.Train, 1, 5000, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &localsgd.Job{Seed: 1, Net: net, Init: relu.KaimingNormal, Data: data, Shards: shards,
		Local: localsgd.Local{Schedule: shard.Schedule{Steps: 50, Batch: batch}, SGD: localsgd.SGD{LR: lr, WeightDecay: wd}}}
}
