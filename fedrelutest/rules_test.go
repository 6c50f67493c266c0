package fedrelutest_test

import (
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
)

// TestRobustRules: the coordinator keeps all updates of a round for rules that need them at once, and a cluster makes the
// same models of them as localsgd.Runner.
func TestRobustRules(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	for _, rule := range []string{
		"median: {}",
		"trimmed_mean: {beta: 0.3}",
		"krum: {f: 2}",
		"multi_krum: {f: 1}",
		"geometric_median: {}",
		"norm_clipping: {}",
	} {
		t.Run(strings.SplitN(rule, ":", 2)[0], func(t *testing.T) {
			text := uneven + "server: {" + rule + "}\n"
			check(t, fedrelutest.Start(t, text, 3, fedrelutest.Data(dir)).Wait(), alone(t, text, dir))
		})
	}
}

// TestAttacks: what attacking shards send is a function of the spec too.
func TestAttacks(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	for _, attack := range []string{"sign_flip: {scale: 3}", "scaled_noise: {}", "label_flip: {}", "same_value: {value: 2}"} {
		t.Run(strings.SplitN(attack, ":", 2)[0], func(t *testing.T) {
			text := uneven + "server: {median: {}}\nfaults: {byzantine: {fraction: 0.25, attack: {" + attack + "}}}\n"
			check(t, fedrelutest.Start(t, text, 3, fedrelutest.Data(dir)).Wait(), alone(t, text, dir))
		})
	}
}

// TestRulesWithState: what rules remember from round to round is stored beside the model, and a cluster makes the same
// models of it as localsgd.Runner.
func TestRulesWithState(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	for _, rule := range []string{
		"fedavgm: {beta: 0.8, nesterov: true}",
		"fedadam: {lr: 0.05}",
		"fedyogi: {lr: 0.05}",
		"fedadagrad: {lr: 0.05}",
		"fednova: {lr: 0.9}",
		"slowmo: {lr: 0.7}",
		"diloco: {}",
	} {
		t.Run(strings.SplitN(rule, ":", 2)[0], func(t *testing.T) {
			text := uneven + "server: {" + rule + "}\n"
			check(t, fedrelutest.Start(t, text, 2, fedrelutest.Data(dir)).Wait(), alone(t, text, dir))
		})
	}
}

// TestStatesOfShards: control variates, optimizers and personal tensors go from round to round with their shard, whether
// they travel or stay, and to the bits of localsgd.Runner.
func TestStatesOfShards(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	plain := strings.Replace(uneven, ", momentum: 0.9", "", 1)
	for name, text := range map[string]string{
		"scaffold": plain + "server: {scaffold: {}}\n",
		"momentum": strings.Replace(uneven, "epochs: 2", "keep_state: true, epochs: 2", 1),
		"adamw": strings.Replace(uneven, "epochs: 2, batch: 7, optimizer: {sgd: {lr: 0.05, momentum: 0.9}}",
			"keep_state: true, epochs: 2, batch: 7, optimizer: {adamw: {lr: 0.01}}", 1) + "server: {diloco: {}}\n",
		"personal": strings.Replace(uneven, "epochs: 2", "personal: [4.*], epochs: 2", 1),
	} {
		for _, place := range []string{"coordinator", "worker"} {
			t.Run(name+" at "+place, func(t *testing.T) {
				// Drift cannot be repeated by another worker than the one that holds the end, which serves the shard next time too.
				text := text + "state: " + place + "\n"
				check(t, fedrelutest.Start(t, text, 3, fedrelutest.Data(dir)).Wait(), alone(t, text, dir))
			})
		}
	}
}
