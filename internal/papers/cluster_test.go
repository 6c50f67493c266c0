package papers

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	claimspecs "github.com/fedrelu/fedrelu/examples/claims"
	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// clusterRounds is how many rounds each spec is trained for; the second one starts from what the first one left.
const clusterRounds = 2

// TestEverySpecOnACluster: a cluster of two workers makes of every spec, with less data, the models of the laboratory's runner bit for
// bit, in the precision that the spec has. So what reproduce measures in one process is what a run of the spec would have. What no
// spec has no cluster can run: the targets, labels and offsets that P1.12a, P4.3, P4.8 and P6.9 put into their data themselves.
func TestEverySpecOnACluster(t *testing.T) {
	images := t.TempDir()
	writeImages(t, images)
	for _, p := range All() {
		for _, c := range p.Claims {
			t.Run(c.ID, func(t *testing.T) {
				if c.Kind == claims.Untestable {
					t.Skip("the claim is not testable here and has no spec")
				}
				t.Parallel()
				sameModels(t, c.ID, images)
			})
		}
	}
}

// sameModels trains the spec of a claim in the laboratory and in a cluster.
func sameModels(t *testing.T, id, images string) {
	lab := &claims.Lab{Specs: claimspecs.FS}
	changes := []string{fmt.Sprint("rounds=", clusterRounds), "checks={drift: {every: 0}, rank: {every: 0}}"}
	spec, err := lab.Spec(id)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(spec.YAML()), "mnist:") {
		limit := min(imagesInAll, 6*max(10, spec.Shards.Count))
		changes = append(changes, "data={idx: {dir: "+images+"}}", fmt.Sprint("shards.limit=", limit))
	}
	if mlp := spec.Model.MLP; mlp != nil && len(mlp.Hidden) > 0 && len(mlp.Hidden)*mlp.Hidden[0]*mlp.Hidden[0] > 1<<20 {
		changes = append(changes, "model.mlp.hidden=["+strings.TrimSuffix(strings.Repeat("64, ", len(mlp.Hidden)), ", ")+"]")
	}
	s, err := lab.Setting(id, changes...)
	if err != nil {
		t.Fatal(err)
	}
	result := fedrelutest.Start(t, string(s.Spec.YAML()), 2).Wait()
	if len(result.Rounds) != clusterRounds {
		t.Fatalf("the cluster made %d rounds, want %d", len(result.Rounds), clusterRounds)
	}
	before := tensor.HashBlock(s.Job.Start())
	_, err = s.Runner().Run(t.Context(), clusterRounds, func(f localsgd.RoundFacts, model []float32) error {
		now := tensor.HashBlock(model)
		if got := result.Rounds[f.Plan.Round-1].ModelSHA256; got != now.String() {
			t.Errorf("round %d: the cluster has model %s, the laboratory %s", f.Plan.Round, got, now)
		}
		if now == before {
			t.Errorf("round %d has trained nothing", f.Plan.Round)
		}
		before = now
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imagesInAll is how many images writeImages writes to train on: enough for a hundred shards of two labels.
const imagesInAll = 600

// writeImages writes noise in MNIST's format, which takes the place of MNIST: every cluster's processes read their data anew.
func writeImages(t *testing.T, dir string) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	for name, n := range map[string]int{"train": imagesInAll, "t10k": 50} {
		pixels, labels := idxHeader(n, 28, 28), idxHeader(n)
		from := len(pixels)
		pixels = append(pixels, make([]byte, 28*28*n)...)
		_, _ = random.Read(pixels[from:])
		for i := range n {
			labels = append(labels, byte(i%10))
		}
		for file, data := range map[string][]byte{"-images-idx3-ubyte": pixels, "-labels-idx1-ubyte": labels} {
			if err := os.WriteFile(filepath.Join(dir, name+file), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// idxHeader is that of bytes in some dimensions.
func idxHeader(sizes ...int) []byte {
	header := []byte{0, 0, 8, byte(len(sizes))}
	for _, n := range sizes {
		header = binary.BigEndian.AppendUint32(header, uint32(n))
	}
	return header
}
