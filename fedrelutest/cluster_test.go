package fedrelutest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fedrelu/fedrelu/fedrelutest"
	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// uneven is a run whose hash would show any mistake in the order or the weights of a mean: shards of different sizes and
// labels, a few of them in each round, momentum, an unfinished last batch.
const uneven = `
name: uneven
seed: 7
rounds: 4
data: {safetensors: {train: train.safetensors, test: test.safetensors}}
shards: {count: 12, partition: {dirichlet: {alpha: 0.5}}}
model: {mlp: {hidden: [16, 8]}}
local: {epochs: 2, batch: 7, optimizer: {sgd: {lr: 0.05, momentum: 0.9}}}
participation: {fraction: 0.7}
`

const (
	features = 10
	classes  = 4
)

// writeData writes Gaussian classes, 240 examples to train and 80 to test on, into dir.
func writeData(t *testing.T, dir string) {
	t.Helper()
	for name, n := range map[string]int{"train": 240, "test": 80} {
		s := keyed.New(1, name)
		x, y := make([]float32, 0, n*features), make([]int32, n)
		for i := range y {
			y[i] = int32(s.Below(classes))
			for j := range features {
				mean := 0.0
				if j == int(y[i]) {
					mean = 2
				}
				x = append(x, float32(mean+s.Normal()))
			}
		}
		f, err := os.Create(filepath.Join(dir, name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		tensors := []safetensors.Tensor{
			{Name: "x", Shape: []int{n, features}, Values: x},
			{Name: "y", Shape: []int{n}, Values: y},
		}
		if err := safetensors.Write(f, tensors, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// alone returns the hashes of the models of a spec's rounds, made by localsgd.Runner: no network, no store, no goroutines.
func alone(t *testing.T, specYAML, dir string) []string {
	t.Helper()
	s, err := spec.Parse("spec", []byte(specYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), dir, shard.Training|shard.Testing)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	runner := localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	_, err = runner.Run(context.Background(), s.Rounds, func(_ localsgd.RoundFacts, model []float32) error {
		hashes = append(hashes, tensor.HashBlock(model).String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}

// check fails the test unless the run is complete with these models.
func check(t *testing.T, got fedrelutest.Result, want []string) {
	t.Helper()
	if got.Status != "completed" || len(got.Rounds) != len(want) {
		t.Fatalf("run %s: %s (%s) after %d rounds, want completed after %d", got.Run, got.Status, got.Reason, len(got.Rounds), len(want))
	}
	for i, r := range got.Rounds {
		if r.Number != i+1 || r.ModelSHA256 != want[i] {
			t.Errorf("round %d has model %s, want round %d with %s", r.Number, r.ModelSHA256, i+1, want[i])
		}
		if r.DriftRel == nil {
			t.Errorf("round %d: the drift was not measured", r.Number)
		}
	}
	if last := want[len(want)-1]; got.ModelSHA256 != last {
		t.Errorf("the run ends with %s, want %s", got.ModelSHA256, last)
	}
}

// TestSameBitsHoweverMessagesTravel: the model's bits do not depend on how many workers there are, how many tasks each
// computes at once, on how many processors, and in what order what they say arrives. Time is that of a synctest bubble, so
// that delays cost nothing and decide the order of arrival alone.
func TestSameBitsHoweverMessagesTravel(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	want := alone(t, uneven, dir)
	orders := make(map[string]bool)
	each(func(processors, workers, slots int, d delays) {
		t.Run(fmt.Sprintf("processors=%d workers=%d slots=%d delays=%v", processors, workers, slots, d), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { <-time.After(time.Minute) }) // connections that were closed end in their own time
				var log arrivals
				run := fedrelutest.Start(t, uneven, workers, fedrelutest.Data(dir), fedrelutest.Slots(slots),
					fedrelutest.Connections(d.wrap()), fedrelutest.Logger(log.logger()))
				check(t, run.Wait(), want)
				orders[log.order()] = true
			})
		})
	})
	// With one worker there is one order for each number of slots at least; with more, delays must have made many.
	if len(orders) < 20 {
		t.Errorf("pushes arrived in %d different orders, want at least 20: the delays do not do their work", len(orders))
	}
}

// Workers train in float64 where the spec says so, and send float32.
func TestPrecisionIsThatOfTheLocalSteps(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	double := uneven + "precision: float64\n"
	want := alone(t, double, dir)
	check(t, fedrelutest.Start(t, double, 2, fedrelutest.Data(dir)).Wait(), want)
	if single := alone(t, uneven, dir); single[0] == want[0] {
		t.Error("both precisions give the same bits")
	}
}

// Rules that keep nothing between rounds, and what they and the spec ask of the local work, are the same in a cluster.
func TestRulesWithoutState(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	plain := strings.Replace(uneven, "batch: 7,", "batch: 7, prox_mu: 0.5, clip_update: 0.3, post_local: {until: 1},", 1)
	nova := plain + "server: {fednova: {lr: 0.9}}\n"
	want := alone(t, nova, dir)
	check(t, fedrelutest.Start(t, nova, 2, fedrelutest.Data(dir)).Wait(), want)
	if other := alone(t, plain, dir); other[0] == want[0] {
		t.Error("fednova gives fedavg's bits")
	}
}

func each(try func(processors, workers, slots int, d delays)) {
	for _, processors := range []int{1, 2} {
		for _, workers := range []int{1, 2, 4, 7} {
			for _, slots := range []int{1, 2} {
				for _, d := range []delays{{}, {1, 3 * time.Millisecond}, {2, 200 * time.Millisecond}, {3, 200 * time.Millisecond}, {4, time.Second}} {
					try(processors, workers, slots, d)
				}
			}
		}
	}
}

// arrivals keeps what a cluster logs of its pushes.
type arrivals struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (a *arrivals) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text = append(a.text, p...)
	return len(p), nil
}

func (a *arrivals) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(a, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var pushWhole = regexp.MustCompile(`msg=push .*at=end worker=(\S+) round=(\d+) tasks=(\d+)`)

// order returns which worker's pushes were whole in what order.
func (a *arrivals) order() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var order []string
	for _, m := range pushWhole.FindAllSubmatch(a.text, -1) {
		order = append(order, string(bytes.Join(m[1:], []byte(" "))))
	}
	return strings.Join(order, "\n")
}

// delays is a pattern of delays of connections: each write waits for its own time below most.
type delays struct {
	seed uint64
	most time.Duration
}

func (d delays) String() string { return fmt.Sprintf("%d(%v)", d.seed, d.most) }

// wrap returns what gives every connection its own delays, in the order in which they are made.
func (d delays) wrap() func(net.Conn) net.Conn {
	connections := make(chan int, 1)
	connections <- 0
	return func(c net.Conn) net.Conn {
		n := <-connections
		connections <- n + 1
		return &slowConn{Conn: c, most: d.most, draws: keyed.New(d.seed, "delays", uint64(n))}
	}
}

// slowConn is a connection whose writes take their time. gRPC writes from one goroutine.
type slowConn struct {
	net.Conn
	most  time.Duration
	draws *keyed.Stream
}

// Write implements net.Conn.
func (c *slowConn) Write(p []byte) (int, error) {
	if c.most > 0 {
		<-time.After(time.Duration(c.draws.Below(int(c.most))))
	}
	return c.Conn.Write(p)
}
