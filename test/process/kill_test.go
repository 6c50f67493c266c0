//go:build linux

package process

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// killSpec is a run of a model of 1.1 million parameters, so that every phase takes its milliseconds, on next to no data.
const killSpec = `
name: kill
seed: 3
rounds: 3 # killRounds
shards: {count: 4, limit: 32}
model: {mlp: {hidden: [256, 128]}}
local: {epochs: 1, batch: 4, optimizer: {sgd: {lr: 0.02, momentum: 0.9}}}
checks: {drift: {every: 1, shards: 2, probe: 8}, rank: {every: 1}}
`

const killRounds = 3

// thorough is the number of kills from which on each phase must be hit at least perPhase times.
const thorough, perPhase = 18, 3

// TestKillCoordinator kills the coordinator again and again, at every phase of a round, and sometimes a worker with it.
func TestKillCoordinator(t *testing.T) { newCampaign(t, false, killSpec, *kills).fight() }

// TestKillWorkers kills workers, one at a time, at every phase of a round.
func TestKillWorkers(t *testing.T) { newCampaign(t, true, killSpec, *kills).fight() }

// TestKillWithState does the same to runs that remember more than their model: rules with state, and shards with states of
// their own that travel, or stay with the workers, which come back.
func TestKillWithState(t *testing.T) {
	scaffold := strings.Replace(killSpec, ", momentum: 0.9", "", 1) + "server: {scaffold: {}}\n"
	diloco := strings.Replace(killSpec, "optimizer: {sgd: {lr: 0.02, momentum: 0.9}}", "keep_state: true, optimizer: {adamw: {}}", 1) +
		"server: {diloco: {}}\n"
	for name, spec := range map[string]string{
		"fedadam":                 killSpec + "server: {fedadam: {lr: 0.01}}\n",
		"scaffold at coordinator": scaffold + "state: coordinator\n",
		"scaffold at worker":      scaffold + "state: worker\n",
		"diloco at coordinator":   diloco + "state: coordinator\n",
		"diloco at worker":        diloco + "state: worker\n",
	} {
		for _, workers := range []bool{false, true} {
			// The short form kills one kind of victim for each, where states travel the coordinator, and workers elsewhere.
			if *kills < thorough && workers == strings.Contains(name, "coordinator") {
				continue
			}
			t.Run(fmt.Sprintf("%s, workers %t", name, workers), func(t *testing.T) {
				newCampaign(t, workers, spec, max(*kills/3, 1)).fight()
			})
		}
	}
}

// TestKillAsynchronous does it to runs whose order of arrival nobody knows beforehand: they end all the same, and what they come
// to is the replay of what they have recorded, in which every update counts once.
func TestKillAsynchronous(t *testing.T) {
	spec := strings.Replace(killSpec, "checks: {drift: {every: 1, shards: 2, probe: 8}, rank: {every: 1}}",
		"checks: {rank: {every: 1}}\nserver: {fedbuff: {buffer: 2, max_staleness: 2}}", 1)
	for name, workers := range map[string]bool{"coordinator": false, "workers": true} {
		t.Run(name, func(t *testing.T) {
			g := newCampaign(t, workers, spec, max(*kills/2, 2))
			g.want = ""
			g.fight()
			for _, run := range g.ended {
				succeed(t, "replay", run, "--dir", g.c.dir, "--data", g.c.data)
			}
		})
	}
}

// campaign is a sequence of runs in which something is killed.
type campaign struct {
	t       *testing.T
	workers bool // are killed, not the coordinator
	kills   int  // at least
	c       *cluster
	draws   *keyed.Stream
	want    string // hash of the last model of each run; empty: of no two the same
	hits    hits

	run    string
	ended  []string       // runs
	rounds map[int]hashes // of the run, that a coordinator or its store ever called committed
}

// hashes are those of a round's model and record.
type hashes struct{ model, record string }

func newCampaign(t *testing.T, workers bool, spec string, kills int) *campaign {
	t.Logf("seed %d", *seed)
	g := &campaign{t: t, workers: workers, kills: kills, draws: keyed.New(*seed, t.Name())}
	data := t.TempDir()
	writeData(t, data, 4096, 64, 32)
	g.want = undisturbed(t, writeSpec(t, data, "kill.yaml", spec))
	g.c = newCluster(t, t.TempDir(), data, 2)
	return g
}

// satisfied tells whether enough was killed.
func (g *campaign) satisfied() bool {
	_, least := g.hits.rarest()
	return g.hits.total() >= g.kills && (g.kills < thorough || least >= perPhase)
}

// fight makes runs until enough was killed, and checks each.
func (g *campaign) fight() {
	defer func() {
		var table bytes.Buffer
		g.hits.write(&table, "phase")
		g.t.Logf("kills by the phase that they hit:\n%s", &table)
	}()
	for runs := 0; !g.satisfied(); runs++ {
		if runs == 3*g.kills {
			g.t.Fatalf("some phase was not hit often enough in %d runs", runs)
		}
		g.oneRun()
	}
	g.c.coordinator.kill()
	verify(g.t, g.c.dir)
	for _, run := range g.ended {
		checkChain(g.t, g.c.dir, run, killRounds)
	}
}

// oneRun makes a run, disturbed a few times, and checks what came of it.
func (g *campaign) oneRun() {
	g.c.awaitWorkers(g.t)
	from := g.c.coordinator.log.count()
	submit := start(g.t, "submit", "submit", filepath.Join(g.c.data, "kill.yaml"), "--coordinator", g.c.address, "--wait", "--json")
	queued, _ := g.c.coordinator.await(g.t, from, "msg", "run queued")
	g.run, g.rounds = queued.attrs["run"], make(map[int]hashes)
	for n := 1 + g.draws.Below(4); n > 0 && !g.satisfied(); n-- {
		if !g.strike(submit) {
			break
		}
	}
	if code := submit.wait(g.t, patience); code != 0 {
		g.t.Fatalf("the run ended with exit code %d", code)
	}
	o := decode[outcome](g.t, submit.stdout.String())
	if o.Run != g.run || o.Status != "completed" || g.want != "" && o.ModelSHA256 != g.want {
		g.t.Fatalf("the run came to %+v, want run %s completed with %s", o, g.run, g.want)
	}
	if n := len(g.inspect().Rounds); n != o.Rounds {
		g.t.Errorf("%d rounds are shown, %d were made", n, o.Rounds)
	}
	g.ended = append(g.ended, g.run)
}

// shot is a kill.
type shot struct {
	victim *process
	worker int // its number; -1: the coordinator
	fired  chan struct{}
	before int // lines of the coordinator's log when it was fired
}

// strike kills once in the phase that was hit least often. It returns false when the run ended before.
func (g *campaign) strike(submit *process) bool {
	wish, _ := g.hits.rarest()
	skip := g.draws.Below(killRounds) // occasions that pass, so that all rounds have their turn
	if wish == measuring {
		skip = 0 // there may be only one
	}
	delay := time.Duration(0)
	if wish != afterCommit && g.draws.Below(2) == 0 {
		delay = time.Duration(g.draws.Below(int(3 * time.Millisecond)))
	}
	s := &shot{victim: g.c.coordinator, worker: -1, fired: make(chan struct{})}
	if g.workers {
		s.worker = g.draws.Below(len(g.c.workers))
	}
	coordinator := g.c.coordinator
	coordinator.log.catch(func(l line) bool {
		if p, ok := l.enters(); !ok || p != wish {
			return false
		}
		if skip--; skip >= 0 {
			return false
		}
		g.fire(s, l, delay)
		return true
	})
	select {
	case <-s.fired:
	case <-submit.ended:
		if coordinator.log.catch(nil) {
			return false
		}
		<-s.fired
	case <-time.After(patience):
		g.t.Fatalf("nothing was killed within %v", patience)
	}
	g.aftermath(s)
	return true
}

// fire kills, after the delay. A coordinator without one dies before its next line is read.
func (g *campaign) fire(s *shot, l line, delay time.Duration) {
	if s.worker < 0 && delay == 0 {
		s.victim.signal(syscall.SIGKILL)
		close(s.fired)
		return
	}
	if s.worker >= 0 {
		if i := slices.Index(workerNames(g.c), l.attrs["worker"]); i >= 0 {
			s.worker = i // who pushes
		}
		s.victim = g.c.workers[s.worker]
	}
	time.AfterFunc(delay, func() {
		s.before = g.c.coordinator.log.count()
		s.victim.signal(syscall.SIGKILL)
		close(s.fired)
	})
}

func workerNames(c *cluster) []string {
	var names []string
	for i := range c.workers {
		names = append(names, workerName(i))
	}
	return names
}

// aftermath notes what was hit, checks that nothing is lost, and starts again what was killed.
func (g *campaign) aftermath(s *shot) {
	<-s.victim.ended
	if s.worker >= 0 {
		g.hits[g.whereWorkerWas(s)]++
		g.c.startWorker(g.t, s.worker)
		if g.draws.Below(4) > 0 {
			g.c.coordinator.await(g.t, s.before, "msg", "worker joined", "worker", workerName(s.worker))
		}
		return
	}
	lines, _, _ := s.victim.log.all()
	g.hits[situationOf(lines).of("")]++
	g.inspect()
	if *kills >= thorough {
		verify(g.t, g.c.dir)
	}
	if g.draws.Below(4) == 0 {
		i := g.draws.Below(len(g.c.workers))
		g.c.workers[i].kill()
		g.c.startWorker(g.t, i)
	}
	g.c.startCoordinator(g.t)
}

// whereWorkerWas is the phase of a worker that was killed. What it pushed before its end is in the log up to the line in
// which the coordinator misses it.
func (g *campaign) whereWorkerWas(s *shot) phase {
	name := workerName(s.worker)
	lines, _, _ := g.c.coordinator.log.all()
	at := situationOf(lines[:s.before])
	if !at.joined[name] {
		return starting
	}
	_, end := g.c.coordinator.await(g.t, s.before, "msg", "worker left", "worker", name)
	lines, _, _ = g.c.coordinator.log.all()
	for _, l := range lines[s.before : end-1] {
		if l.has("msg", "push", "worker", name) {
			at.add(l)
		}
	}
	return at.of(name)
}

// inspect compares what is recorded of the run with all that was ever said of it, and returns it. It looks into the store
// if the coordinator is gone.
func (g *campaign) inspect() shown {
	s := g.c.show(g.t, g.run)
	now := make(map[int]hashes)
	for i, r := range s.Rounds {
		if r.Round != i+1 {
			g.t.Errorf("round %d is shown at place %d", r.Round, i+1)
		}
		now[r.Round] = hashes{r.ModelSHA256, r.RecordSHA256}
	}
	for number, was := range g.rounds {
		if now[number] != was {
			g.t.Errorf("round %d was %v and is %v", number, was, now[number])
		}
	}
	for _, p := range append(g.c.past, g.c.coordinator) {
		lines, _, _ := p.log.all()
		for _, l := range lines {
			if number := l.number("round"); l.has("msg", "round committed", "run", g.run) && number > 0 &&
				!strings.HasPrefix(now[number].model, l.attrs["model"]) {
				g.t.Errorf("round %d was said to be committed with model %s and has %q", number, l.attrs["model"], now[number].model)
			}
		}
	}
	g.rounds = now
	return s
}
