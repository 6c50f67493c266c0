//go:build linux

package process

import (
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// studiedSpec measures all that can be measured of every round, which takes much longer than to train it.
const studiedSpec = `
name: studied
seed: 5
rounds: 3
shards: {count: 4, limit: 64, partition: {labels: {per_shard: 2}}}
model: {mlp: {hidden: [24, 16]}}
local: {steps: 12, batch: 4, optimizer: {sgd: {lr: 0.1, weight_decay: 0.5}}}
checks:
  drift: {every: 1, shards: 3, probe: 8}
  rank: {every: 1, spectra: 1}
`

const studiedRounds = 3

// TestKillDuringStudies kills the worker that makes a study, the coordinator that waits for it, and both at once. Each run ends
// with the model of the undisturbed one, and with the very same measurements.
func TestKillDuringStudies(t *testing.T) {
	t.Logf("seed %d", *seed)
	text := studiedSpec
	for _, s := range spec.AllStudies() {
		text += "  " + string(s) + ": {every: 1}\n"
	}
	g := &studyHunt{t: t, draws: keyed.New(*seed, t.Name())}
	data, alone := t.TempDir(), filepath.Join(t.TempDir(), "store")
	writeData(t, data, 100, 64, 200)
	path := writeSpec(t, data, "studied.yaml", text)
	g.model = decode[outcome](t, succeed(t, "run", path, "--json", "--dir", alone)).ModelSHA256
	g.want = measuredOf(t, alone, "studied")
	for _, m := range g.want {
		g.lasts = max(g.lasts, time.Duration(m.Seconds*float64(time.Second)))
	}
	g.c = newCluster(t, t.TempDir(), data, 2)
	for runs, wanted := 0, max(*kills/2, 3); g.total() < wanted; runs++ {
		if runs == 3*wanted {
			t.Fatalf("only %v kills hit a study in %d runs", g.hits, runs)
		}
		g.oneRun()
	}
	t.Logf("kills during a study: %d of its worker, %d of the coordinator, %d of both", g.hits[hitWorker], g.hits[hitCoordinator], g.hits[hitBoth])
	g.c.coordinator.kill()
	verify(t, g.c.dir)
	for _, run := range g.ended {
		checkChain(t, g.c.dir, run, studiedRounds)
		g.compare(run)
	}
}

// What a kill during a study hits.
const (
	hitWorker = iota
	hitCoordinator
	hitBoth
	numVictims
)

// studyHunt is a sequence of runs in which something is killed while a round is studied.
type studyHunt struct {
	t     *testing.T
	c     *cluster
	draws *keyed.Stream
	model string                  // hash of the undisturbed run's last
	want  map[int]record.Measured // of it, by round
	lasts time.Duration           // the longest of its measurements
	ended []string                // runs
	hits  [numVictims]int
}

func (g *studyHunt) total() int {
	n := 0
	for _, h := range g.hits {
		n += h
	}
	return n
}

// oneRun makes a run in which something is killed during one study.
func (g *studyHunt) oneRun() {
	g.c.awaitWorkers(g.t)
	who := g.total() % numVictims // until it is hit
	skip := g.draws.Below(studiedRounds)
	delay := time.Duration(g.draws.Below(int(g.lasts/2) + 1))
	s := &studyShot{fired: make(chan struct{})}
	for i, p := range g.c.workers {
		p.log.catch(func(l line) bool {
			if !l.has("msg", "study begins") || l.number("round") <= skip || !s.take(i, l.number("round")) {
				return false
			}
			time.AfterFunc(delay, func() { g.fire(s, who) })
			return true
		})
	}
	submit := start(g.t, "submit", "submit", filepath.Join(g.c.data, "studied.yaml"), "--coordinator", g.c.address, "--wait", "--json")
	select {
	case <-s.fired:
		g.aftermath(s, who)
	case <-time.After(patience):
		g.t.Fatalf("nothing was killed within %v", patience)
	}
	if code := submit.wait(g.t, patience); code != 0 {
		g.t.Fatalf("the run ended with exit code %d", code)
	}
	o := decode[outcome](g.t, submit.stdout.String())
	if o.Status != "completed" || o.ModelSHA256 != g.model {
		g.t.Fatalf("the run came to %+v, want model %s", o, g.model)
	}
	g.ended = append(g.ended, o.Run)
}

// studyShot is a kill during a study.
type studyShot struct {
	fired chan struct{}

	mu            sync.Mutex
	taken         bool
	worker, round int // who studies what
}

// take is true for the first worker that begins a study.
func (s *studyShot) take(worker, round int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return false
	}
	s.taken, s.worker, s.round = true, worker, round
	return true
}

func (g *studyHunt) fire(s *studyShot, who int) {
	if who != hitCoordinator {
		g.c.workers[s.worker].signal(syscall.SIGKILL)
	}
	if who != hitWorker {
		g.c.coordinator.signal(syscall.SIGKILL)
	}
	close(s.fired)
}

// aftermath counts what was hit, and starts again what was killed.
func (g *studyHunt) aftermath(s *studyShot, who int) {
	for _, p := range g.c.workers {
		p.log.catch(nil)
	}
	hit := true
	if who != hitCoordinator {
		p := g.c.workers[s.worker]
		<-p.ended
		hit = underStudy(p)
		g.c.startWorker(g.t, s.worker)
	}
	if who != hitWorker {
		<-g.c.coordinator.ended
		_, measured := measuredOf(g.t, g.c.dir, g.latest())[s.round]
		hit = hit && !measured
		g.c.startCoordinator(g.t)
	}
	if hit {
		g.hits[who]++
	}
}

// latest returns the run of the coordinator's last round.
func (g *studyHunt) latest() string {
	lines, _, _ := g.c.coordinator.log.all()
	run := ""
	for _, l := range lines {
		if l.has("msg", "round committed") {
			run = l.attrs["run"]
		}
	}
	return run
}

// underStudy tells whether a worker's log ends in a study.
func underStudy(p *process) bool {
	lines, _, _ := p.log.all()
	under := false
	for _, l := range lines {
		if strings.HasPrefix(l.attrs["msg"], "study ") {
			under = l.has("msg", "study begins")
		}
	}
	return under
}

// compare fails the test unless the measurements of a run are those of the undisturbed one, to the last bit.
func (g *studyHunt) compare(run string) {
	got := measuredOf(g.t, g.c.dir, run)
	for n, want := range g.want {
		m, ok := got[n]
		if !ok || len(m.Readings) < 500 && n > 0 {
			g.t.Errorf("run %s: round %d has %d readings (%t), the undisturbed run %d", run, n, len(m.Readings), ok, len(want.Readings))
			continue
		}
		m.Seconds, m.Time = want.Seconds, want.Time // of these alone another run may have others
		if !reflect.DeepEqual(m, want) {
			g.t.Errorf("run %s: round %d was measured as %.2000v\nundisturbed %.2000v", run, n, m, want)
		}
	}
}

// measuredOf returns the measurements of a run in a store that nobody serves, by round.
func measuredOf(t *testing.T, dir, run string) map[int]record.Measured {
	t.Helper()
	s, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Find(run)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int]record.Measured)
	for e, err := range s.Entries(r.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == record.KindMeasured {
			m, err := e.Measured()
			if err != nil {
				t.Fatal(err)
			}
			all[m.Round] = m
		}
	}
	return all
}
