package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/fedrelu/fedrelu/internal/selfcheck"
)

// What must hold for every spec holds for the examples, and for others with every rule, partition, optimizer and kind of layer.
// Under the race detector those of them that have images are left out: .ci/run has them without it.
func TestPropertiesHoldOnADozenSpecs(t *testing.T) {
	const (
		convs   = "model={layers: [{conv2d: {in: 1, out: 8, kernel: 3, stride: 2}}, {batch_norm: {features: 8, dims: 2}}, {relu: {}}, {max_pool2d: {kernel: 2, stride: 2}}, {flatten: {}}, {linear: {in: 288, out: 10}}]}"
		pooled  = "model={layers: [{conv2d: {in: 1, out: 8, kernel: 5}}, {relu: {}}, {max_pool2d: {kernel: 2, stride: 2}}, {flatten: {}}, {linear: {in: 1152, out: 10}}]}"
		natural = "hospitals"
		tables  = "fedprox-synthetic"
	)
	for _, c := range []struct {
		name    string
		example string
		set     []string
		inapt   int // properties that do not apply, besides kernels where there is one, and arrivals where rounds are planned
	}{
		{"fedavg", "mnist", nil, 0},
		{"cnn", "mnist-cnn", nil, 0},
		{"scaffold", "mnist-noniid", []string{"server={scaffold: {}}", "local.order=replacement"}, 0},
		{"float64", "cluster", []string{"precision=float64", "local.optimizer.sgd.momentum=0.9", pooled}, 0},
		{"fedbuff", "fedbuff", nil, 0},
		{"fednova", tables, []string{"server={fednova: {}}", "local.prox_mu=0.1"}, 0},
		{"diloco", natural, []string{"server={diloco: {}}", "local.optimizer={adamw: {}}", "local.keep_state=true"}, 2},
		{"fedadam", natural, []string{"server={fedadam: {}}", "local.clip_norm=1", "weighting=uniform"}, 2},
		{"slowmo", natural, []string{"server={slowmo: {}}", "local.post_local={until: 2}", "local.order=cyclic", "model.mlp.norm=layer_norm"}, 0},
		{"fedyogi", natural, []string{"server={fedyogi: {}}", "local.keep_state=true", "local.optimizer.sgd.momentum=0.5", "loss=mse"}, 0},
		{"dirichlet", "mnist", []string{convs, "server={fedavgm: {}}", "shards.partition={dirichlet: {alpha: 0.5}}", "shards.count=8"}, 2},
		{"fedbn", "mnist", []string{convs, "local.fedbn=true", "shards.partition={labels: {per_shard: 2}}", "shards.count=10"}, 3},
		{"fedadagrad", "mnist", []string{"model={mlp: {hidden: [20, 20], residual: true, activation: {leaky_relu: {slope: 0.1}}}}", "server={fedadagrad: {lr: 0.01}}",
			"shards.partition={quantity: {power: 1}}", "shards.count=5"}, 0},
		{"median", tables, []string{"server={median: {}}"}, 0},
		{"krum", tables, []string{"server={krum: {f: 1}}"}, 0},
		{"geometric_median", natural, []string{"server={geometric_median: {}}", "local.keep_state=true", "local.optimizer.sgd.momentum=0.5"}, 0},
		{"norm_clipping", natural, []string{"server={norm_clipping: {}}"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if images := c.example != natural && c.example != tables; images && raceDetector {
				t.Skip("ten times as long under the race detector, and no other goroutines")
			}
			_, results, _, err := checkProperties(context.Background(), specPlace{path: filepath.Join("..", "..", "examples", c.example+".yaml")}, c.set)
			if err != nil {
				t.Fatal(err)
			}
			inapt := 0
			for _, r := range results {
				if r.Verdict == selfcheck.NotApplicable && r.Measured == "" && r.Detail != "this machine has one kernel" &&
					r.Detail != "rounds are planned: nothing depends on who is first" {
					inapt++
				}
				if r.Verdict == selfcheck.Fails {
					t.Errorf("%s: %s (%s), want %s", r.Property, r.Measured, r.Detail, r.Expected)
				}
			}
			if inapt != c.inapt {
				t.Errorf("%d properties do not apply, want %d:\n%v", inapt, c.inapt, results)
			}
		})
	}
}
