package claims

import (
	"slices"
	"testing"
)

func TestOverridden(t *testing.T) {
	varies := []string{"seed", "local.batch"}
	for set, want := range map[string]string{
		"seed=2": "seed", "local.batch=3": "local.batch", " local = {steps: 3}": "local", "local.batch.x=1": "local.batch.x",
		"local.batches=3": "", "local.steps=3": "", "rounds=seed": "",
	} {
		if got := Overridden([]string{"data={mnist: {}}", set}, varies); got != want {
			t.Errorf("--set %s: %q, want %q", set, got, want)
		}
	}
}

func TestYielding(t *testing.T) {
	lab := &Lab{Set: []string{"rounds=3", "shards={count: 2}"}}
	if got := lab.Yielding("rounds=10", "shards.limit=50", "local.steps=1"); !slices.Equal(got, []string{"local.steps=1"}) {
		t.Errorf("the user's rounds and shards yield to %v", got)
	}
}
