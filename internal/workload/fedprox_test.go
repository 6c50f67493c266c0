package workload_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

var (
	long  = flag.Bool("long", false, "200 rounds of FedProx's experiment, as in the paper; a short form otherwise")
	seeds = flag.Int("seeds", 1, "how many seeds of the experiment are averaged")
)

// outcome is what a run of the experiment comes to.
type outcome struct {
	loss, accuracy float64 // on all training and test examples, mean over the last tenth of the rounds
	last           string  // hash of the last model
}

// straggle makes a run of examples/fedprox.yaml and some changes.
func straggle(t *testing.T, rounds int, changes ...string) outcome {
	t.Helper()
	const file = "../../examples/fedprox.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.Parse(file, text, append(changes, fmt.Sprintf("rounds=%d", rounds)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), "", shard.Training|shard.Testing)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	train := localsgd.NewEvaluator(job.Net, data.Train, 1)
	test := localsgd.NewEvaluator(job.Net, data.Test, 1)
	var out outcome
	tail := max(1, rounds/10)
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	model, err := runner.Run(context.Background(), rounds, func(f localsgd.RoundFacts, model []float32) error {
		if f.Plan.Round <= rounds-tail {
			return nil
		}
		onTrain, err := train.Evaluate(context.Background(), model)
		if err != nil {
			return err
		}
		onTest, err := test.Evaluate(context.Background(), model)
		out.loss += onTrain.Loss / float64(tail)
		out.accuracy += onTest.Accuracy / float64(tail)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out.last = tensor.HashBlock(model).String()
	return out
}

// TestFedProxOrdering repeats the ordering of Li et al. 2020, figure 1 on synthetic(1,1): without stragglers FedAvg is FedProx
// with mu = 0, bit for bit; with 90% of them dropping their work (FedAvg) is worst, keeping it better, and mu = 1 best.
func TestFedProxOrdering(t *testing.T) {
	rounds, fractions := 8, []string{"0", "0.9"}
	if *long {
		rounds, fractions = 200, []string{"0", "0.5", "0.9"}
	}
	methods := []struct{ name, mu, partial string }{{"FedAvg", "0", "drop"}, {"FedProx mu=0", "0", "keep"}, {"FedProx mu=1", "1", "keep"}}
	var table strings.Builder
	fmt.Fprintf(&table, "%d rounds, mean over %d seeds and the last tenth of the rounds: loss on all training examples, test accuracy\n", rounds, *seeds)
	for _, fraction := range fractions {
		var mean [3]outcome
		for i, m := range methods {
			for seed := 1; seed <= *seeds; seed++ {
				got := straggle(t, rounds, "simulate.stragglers.fraction="+fraction, "local.prox_mu="+m.mu, "simulate.partial="+m.partial,
					fmt.Sprintf("seed=%d", seed))
				mean[i].loss += got.loss / float64(*seeds)
				mean[i].accuracy += got.accuracy / float64(*seeds)
				mean[i].last += got.last
			}
			fmt.Fprintf(&table, "stragglers %-4s %-13s loss %.4f  accuracy %.4f\n", fraction, m.name, mean[i].loss, mean[i].accuracy)
		}
		avg, kept, prox := mean[0], mean[1], mean[2]
		switch {
		case fraction == "0" && avg != kept:
			t.Errorf("without stragglers FedAvg comes to %+v, FedProx with mu = 0 to %+v", avg, kept)
		case fraction == "0.9" && !(prox.loss < kept.loss && kept.loss < avg.loss):
			t.Errorf("with 90%% stragglers the losses are %.4f (FedAvg), %.4f (mu = 0), %.4f (mu = 1), want them to fall", avg.loss, kept.loss, prox.loss)
		}
	}
	t.Log("\n" + table.String())
}
