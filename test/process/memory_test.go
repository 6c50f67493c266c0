//go:build linux

package process

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// anonymous returns the anonymous memory of a process in bytes: what is its own, without mapped files; 0 once it is gone.
func (p *process) anonymous() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	found := rssAnon.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

var rssAnon = regexp.MustCompile(`(?m)^RssAnon:\s+(\d+) kB$`)

// collect makes a process that serves profiles collect its garbage and give back what is free, and returns the bytes that
// live then.
func collect(t *testing.T, profiles string) int64 {
	t.Helper()
	reply, err := http.Post("http://"+profiles+"/debug/collect", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tinySpec is a run of many rounds that take next to no time, on the data that come with the program.
const tinySpec = `
name: tiny
data: {mnist: {}}
shards: {count: 4, limit: 40}
model: {mlp: {hidden: [4]}}
evaluate: {every: 50}
`

// footprint is what a process takes right after a collection.
type footprint struct{ anonymous, heap int64 }

func (f footprint) String() string {
	return fmt.Sprintf("%.1f MB anonymous, %.1f MB of heap", float64(f.anonymous)/1e6, float64(f.heap)/1e6)
}

// TestMemoryOverManyRounds: neither the coordinator nor a worker takes more memory after many rounds than after a hundred.
func TestMemoryOverManyRounds(t *testing.T) {
	rounds := 400
	if *long {
		rounds = 1000
	}
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "tiny.yaml"), []byte(tinySpec), 0o600); err != nil {
		t.Fatal(err)
	}
	profiles := []string{address(t), address(t)}
	c := newCluster(t, t.TempDir(), data, 1, "--pprof", profiles[0])
	observed := start(t, "observed", "worker", "--coordinator", c.address, "--name", "observed", "--slots", "1",
		"--dir", t.TempDir(), "--data", data, "--pprof", profiles[1])
	observed.await(t, 0, "msg", "profiles")
	run := c.submit(t, "tiny.yaml", fmt.Sprintf("rounds=%d", rounds))

	for _, both := range observe(t, c, rounds, map[string]observation{
		"the coordinator": {c.coordinator, profiles[0]}, "a worker": {observed, profiles[1]},
	}) {
		t.Logf("%s: %v around round 100, %v around round %d", both.who, both.early, both.late, rounds)
		// Go's runtime takes up to a megabyte more over its first thousand collections. What lives must not grow at all; half
		// a megabyte is what a round has in hand.
		if float64(both.late.anonymous) > 1.1*float64(both.early.anonymous) || both.late.heap > both.early.heap+512<<10 {
			t.Errorf("%s grows", both.who)
		}
	}
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Errorf("the run is %s", status)
	}
}

// observation is a process with the address of its profiles.
type observation struct {
	process  *process
	profiles string
}

type growth struct {
	who         string
	early, late footprint
}

// observe takes the footprints of processes in the rounds before 100 and in as many rounds before the last.
func observe(t *testing.T, c *cluster, rounds int, all map[string]observation) []growth {
	t.Helper()
	const span = 40
	result := make([]growth, 0, len(all))
	for who := range all {
		result = append(result, growth{who: who})
	}
	for _, last := range []int{100, rounds} {
		c.coordinator.await(t, 0, "msg", "round committed", "round", strconv.Itoa(last-span))
		for i := range result {
			result[i].early, result[i].late = result[i].late, footprint{math.MaxInt64, math.MaxInt64}
		}
		for c.committed() < last {
			for i := range result {
				o, f := all[result[i].who], &result[i].late
				f.heap = min(f.heap, collect(t, o.profiles))
				f.anonymous = min(f.anonymous, o.process.anonymous())
			}
		}
	}
	return result
}

// committed returns the last round that the coordinator said it committed.
func (c *cluster) committed() int {
	lines, _, _ := c.coordinator.log.all()
	for _, l := range slices.Backward(lines) {
		if l.has("msg", "round committed") {
			return l.number("round")
		}
	}
	return -1
}
