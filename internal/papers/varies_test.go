package papers

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	claimspecs "github.com/fedrelu/fedrelu/examples/claims"
	"github.com/fedrelu/fedrelu/internal/claims"
)

// proportional are the paths that analyses set to something they make of the spec's own value, or only where the user has not.
var proportional = map[string][]string{
	"sgdgd":         {"local.batch", "local.steps", "local.optimizer.sgd.lr", "local.optimizer.sgd.weight_decay", "shards.limit", "rounds"},
	"splines":       {"local.optimizer.sgd.weight_decay"},
	"entropy":       {"model.mlp.hidden", "shards.limit", "rounds", "data.synthetic.linear.train"},
	"localsteps":    {"model.layers", "rounds"},
	"averagingrank": {"local.order"}, // of a panel without a verdict
	"fedavg":        {"stop.accuracy"},
}

// TestEveryChangeIsDeclared: a path that a package's analyses write is one that a claim of it says it varies, or in proportion to
// the spec: nothing else may take the place of what a user asked for.
func TestEveryChangeIsDeclared(t *testing.T) {
	written := regexp.MustCompile(`"([a-z_]+(?:\.[a-z_]+)*)=(?:"|[^"= ])`)
	declared := map[string][]string{}
	for _, p := range All() {
		folder := strings.NewReplacer("low-rank", "lowrank", "deep-relu", "deeprelu", "sgd-vs-gd", "sgdgd", "local-sgd", "localsteps",
			"averaging-rank", "averagingrank").Replace(p.Name)
		for _, c := range p.Claims {
			declared[folder] = append(declared[folder], c.Varies...)
		}
	}
	files, err := filepath.Glob("../claims/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no packages of claims: %v", err)
	}
	seen := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		folder := filepath.Base(filepath.Dir(file))
		for _, match := range written.FindAllSubmatch(source, -1) {
			seen++
			if path := string(match[1]); !slices.Contains(declared[folder], path) && !slices.Contains(proportional[folder], path) {
				t.Errorf("%s writes %s, which no claim of the package says it varies", file, path)
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d changes found: the expression that finds them is out of date", seen)
	}
}

// TestWhatIsVariedIsRefused: every path that a claim varies is one of its spec, and a user's change of it is refused by name.
func TestWhatIsVariedIsRefused(t *testing.T) {
	values := map[string]string{"server": "{fedavg: {}}", "model.layers": "[]", "model.init": "{zero: {}}", "model.mlp.hidden": "[4]", "precision": "float32"}
	for _, p := range All() {
		for _, c := range p.Claims {
			one := []claims.Paper{{Claims: []claims.Claim{c}}}
			for _, path := range c.Varies {
				value, ok := values[path]
				if !ok {
					value = "1"
				}
				err := CheckSpecs(one, &claims.Lab{Specs: claimspecs.FS, Set: []string{path + "=" + value}})
				if err == nil || !strings.Contains(err.Error(), c.ID) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "varies") {
					t.Errorf("%s: --set %s: %v", c.ID, path, err)
				}
			}
			if err := CheckSpecs(one, &claims.Lab{Specs: claimspecs.FS, Set: []string{"evaluate.every=2"}}); c.Kind != claims.Untestable && err != nil && strings.Contains(err.Error(), "varies") {
				t.Errorf("%s: what it does not vary: %v", c.ID, err)
			}
		}
	}
}
