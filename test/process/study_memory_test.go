//go:build linux

package process

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fedrelu/fedrelu/proto/spec"
)

// heavySpec is a run of a network whose first matrix is nearly all of it, so that its models, and not what is derived from them, are
// what a worker holds. It decays fast, which lets the null model have few gradients to remember.
const heavySpec = `
name: heavy
rounds: 2
shards: {count: %[1]d, limit: %[2]d}
model: {mlp: {hidden: [%[3]d, 16]}}
local: {steps: 2, batch: 4, optimizer: {sgd: {lr: 0.1, weight_decay: 9}}}
evaluate: {every: 0}
checks:
  drift: {every: 1, shards: 4, probe: 4}
  rank: {every: 1}
`

// TestMemoryOfStudies: a worker on which every check is made takes no more memory for many shards than for few, and no more than the
// package doc of worker says.
func TestMemoryOfStudies(t *testing.T) {
	const measured = 4
	features, hidden, many := 3000, 128, 20
	if *long {
		features, hidden, many = 8000, 256, 64
	}
	text := heavySpec
	for _, s := range spec.AllStudies() {
		text += "  " + string(s) + ": {every: 1}\n"
	}
	data := t.TempDir()
	writeData(t, data, features, 4*many, 16)
	model := 4 * int64(hidden*features+hidden+16*hidden+16+classes*16+classes)
	var few int64
	for _, shards := range []int{measured, many} {
		writeSpec(t, data, "heavy.yaml", fmt.Sprintf(text, shards, 4*shards, hidden))
		c := newCluster(t, t.TempDir(), data, 0)
		worker := start(t, "w0", "worker", "--coordinator", c.address, "--name", "w0", "--slots", "1",
			"--dir", filepath.Join(c.dir, "workers"), "--data", data)
		c.coordinator.await(t, 0, "msg", "worker joined")
		peak := watchPeak(t, worker)
		run := c.submit(t, "heavy.yaml")
		if status := c.awaitEnd(t, run); status != "completed" {
			t.Fatalf("the run is %s", status)
		}
		most := peak()
		t.Logf("%d shards, %d measured, a model of %.1f MB: the worker had at most %.1f MB of anonymous memory, %.1f times the model",
			shards, measured, float64(model)/1e6, float64(most)/1e6, float64(most)/float64(model))
		if few == 0 {
			few = most
		}
		// What the package doc of worker counts, in model sizes: blocks, sums, the study, its saw-tooth and its null model, and a copy
		// of the parameters in each machine. Go lets garbage be as much again; a process with nothing to do takes some 20 MB.
		said := model * ((1 + 4 + 2*measured + 2) + 3*3 + (measured + 10) + 2*measured + 7 + (3 + measured))
		if most > 2*said+20<<20 {
			t.Errorf("%d shards take %d bytes, the worker's formula says %d and as much garbage", shards, most, said)
		}
		if float64(most) > 1.15*float64(few) {
			t.Errorf("%d shards take %d bytes, %d take %d", shards, most, measured, few)
		}
	}
}
