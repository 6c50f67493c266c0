package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/fedrelu/fedrelu/internal/selfcheck"
)

// What must hold for every spec holds for the examples, and for others with every rule, partition, optimizer and kind of layer.
func TestPropertiesHoldOnADozenSpecs(t *testing.T) {
	const (
		convs   = "model={layers: [{conv2d: {in: 1, out: 8, kernel: 3, stride: 2}}, {batch_norm: {features: 8, dims: 2}}, {relu: {}}, {max_pool2d: {kernel: 2, stride: 2}}, {flatten: {}}, {linear: {in: 288, out: 10}}]}"
		pooled  = "model={layers: [{conv2d: {in: 1, out: 8, kernel: 5}}, {relu: {}}, {max_pool2d: {kernel: 2, stride: 2}}, {flatten: {}}, {linear: {in: 1152, out: 10}}]}"
		natural = "hospitals"
	)
	for _, c := range []struct {
		example string
		set     []string
		inapt   int // properties that do not apply, besides kernels where there is one
	}{
		{"mnist", nil, 0},
		{"mnist-cnn", nil, 0},
		{"mnist-noniid", []string{"server={scaffold: {}}", "local.order=replacement"}, 0},
		{"cluster", []string{"precision=float64", "local.optimizer.sgd.momentum=0.9", pooled}, 0},
		{"fedprox-synthetic", []string{"server={fednova: {}}", "local.prox_mu=0.1"}, 0},
		{natural, []string{"server={diloco: {}}", "local.optimizer={adamw: {}}", "local.keep_state=true"}, 2},
		{natural, []string{"server={fedadam: {}}", "local.clip_norm=1", "weighting=uniform"}, 2},
		{natural, []string{"server={slowmo: {}}", "local.post_local={until: 2}", "local.order=cyclic", "model.mlp.norm=layer_norm"}, 0},
		{natural, []string{"server={fedyogi: {}}", "local.keep_state=true", "local.optimizer.sgd.momentum=0.5", "loss=mse"}, 0},
		{"mnist", []string{convs, "server={fedavgm: {}}", "shards.partition={dirichlet: {alpha: 0.5}}", "shards.count=8"}, 2},
		{"mnist", []string{convs, "local.fedbn=true", "shards.partition={labels: {per_shard: 2}}", "shards.count=10"}, 3},
		{"mnist", []string{"model={mlp: {hidden: [20, 20], residual: true, activation: {leaky_relu: {slope: 0.1}}}}", "server={fedadagrad: {lr: 0.01}}",
			"shards.partition={quantity: {power: 1}}", "shards.count=5"}, 0},
	} {
		_, results, _, err := checkProperties(context.Background(), specPlace{path: filepath.Join("..", "..", "examples", c.example+".yaml")}, c.set)
		if err != nil {
			t.Errorf("%s %v: %v", c.example, c.set, err)
			continue
		}
		inapt := 0
		for _, r := range results {
			if r.Verdict == selfcheck.NotApplicable && r.Measured == "" && r.Detail != "this machine has one kernel" {
				inapt++
			}
			if r.Verdict == selfcheck.Fails {
				t.Errorf("%s %v: %s: %s (%s), want %s", c.example, c.set, r.Property, r.Measured, r.Detail, r.Expected)
			}
		}
		if inapt != c.inapt {
			t.Errorf("%s %v: %d properties do not apply, want %d:\n%v", c.example, c.set, inapt, c.inapt, results)
		}
	}
}
