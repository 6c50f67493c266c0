package spec

import (
	"fmt"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		more string
		want string // empty: no warning
	}{
		{"local: {optimizer: {sgd: {lr: 0.1, weight_decay: 1.0e-4}}}", ""},
		{"local: {optimizer: {sgd: {lr: 0.1}}}", ""},
		{"local: {optimizer: {sgd: {lr: 0, weight_decay: 1}}}", ""},
		{"local: {optimizer: {sgd: {lr: 0.01, weight_decay: 9.0e-5}}}", "local.optimizer.sgd.weight_decay: a step takes lr x weight_decay = 9e-07 of a weight"},
		{"local: {optimizer: {adamw: {lr: 1.0e-5}}}", "local.optimizer.adamw.weight_decay: a step takes lr x weight_decay = 1e-07 of a weight"},
		{"local: {optimizer: {adamw: {}}}", ""},
		{"local: {optimizer: {adamw: {lr: 1.0e-5}}}\nprecision: float64", ""},
		{"faults: {byzantine: {fraction: 0.25, attack: {label_flip: {}}}}", "faults.byzantine: 3 of 10 shards attack by label_flip, as the spec asks for"},
		{"faults: {byzantine: {fraction: 0.04, attack: {sign_flip: {}}}}", ""},
	} {
		s, err := Parse("spec.yaml", fmt.Appendf(nil, "data: {mnist: {}}\nmodel: {mlp: {}}\n%s\n", c.more), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Warnings()
		if (len(got) == 1) != (c.want != "") || len(got) == 1 && !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: warnings %q, want %q", c.more, got, c.want)
		}
	}
}
