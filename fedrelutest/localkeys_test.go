package fedrelutest_test

import (
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
)

// Every key of the local work reaches the workers: a cluster computes what a Runner does, and not what it would without the
// key.
func TestLocalKeysReachTheWorkers(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	const base = "rounds: 3\ndata: {safetensors: {train: train.safetensors, test: test.safetensors}}\nshards: {count: 4}\n"
	seen := map[string]string{}
	for _, more := range []string{
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, order: replacement}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, order: cyclic}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, order: sequential}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, schedule: {step: {size: 2, gamma: 0.5}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, schedule: {exponential: {gamma: 0.5}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, schedule: {cosine: {}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, schedule: {warmup: {rounds: 2}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, clip_norm: 0.1}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, optimizer: {adamw: {}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, optimizer: {sgd: {weight_decay: 0.1}}}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7, optimizer: {sgd: {weight_decay: 0.1, no_decay: ['*.bias']}}}",
		"model: {mlp: {hidden: [8]}, freeze: ['0.*']}\nlocal: {steps: 5, batch: 7}",
		"model: {mlp: {hidden: [8]}}\nlocal: {steps: 5, batch: 7}\nlabel_smoothing: 0.1",
		"model: {shallow: {width: 8}}\nlocal: {steps: 5, batch: 7}",
		"model: {shallow: {width: 8}}\nlocal: {steps: 5, batch: 7}\nregularize: {path_norm: 0.01}",
		"model: {shallow: {width: 8}, init: {random_signs: {std: 0.3, scale: 0.3}}}\nlocal: {steps: 5, batch: 7}",
		"model: {mlp: {hidden: [8], norm: batch_norm}}\nlocal: {epochs: 1, batch: 59}",
	} {
		t.Run(more, func(t *testing.T) {
			want := alone(t, base+more, dir)
			check(t, fedrelutest.Start(t, base+more, 2, fedrelutest.Data(dir)).Wait(), want)
			last := want[len(want)-1]
			if other, found := seen[last]; found {
				t.Errorf("the same bits as\n%s", other)
			}
			seen[last] = more
		})
	}
}
