package worker_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/wire"
)

type sink []float32

func (s sink) Gradient(offset int, g []float32) { copy(s[offset:], g) }

// sample is what a worker must measure.
func (s *setup) sample(round int, start, goal []float32, k, probe int) analysis.Sample {
	s.t.Helper()
	end, _ := s.end(round, start, k)
	examples := shard.Probe(s.job.Seed, k, s.job.Shards[k], probe)
	point := func(params []float32) analysis.Point {
		m := relu.NewMachine[float32](s.job.Net, len(examples))
		g := make(sink, len(params))
		m.Backward(params, localsgd.Fill(m, s.job.Data.Train, examples), g)
		return analysis.Point{Params: params, Gradient: g}
	}
	sample, err := analysis.Compare(k, s.job.Net.Layout(), point(end), point(goal))
	if err != nil {
		s.t.Fatal(err)
	}
	return sample
}

func TestMeasuresTheSameWithAndWithoutTheEnd(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start, next := s.model(1), s.model(2)
	startHash, nextHash := c.serve(start), c.serve(next)
	a := s.assign(1, startHash, 1, 2, 3)
	for i := range a.Tasks {
		a.Tasks[i].Measured = a.Tasks[i].Shard != 3
	}
	session.say(a)
	session.hearTrained(1, 2, 3)
	measure := wire.Measure{Key: s.key(1), Shards: []int{1, 2, 3, 7}, Start: startHash, Model: nextHash, Probe: 4}
	measured := func() {
		t.Helper()
		for range measure.Shards {
			m := hear[wire.DriftSample](session)
			want := s.sample(1, start, next, m.Sample.Shard, 4)
			if m.Key != s.key(1) || m.Probe != 4 || m.Sample != want {
				t.Errorf("heard %+v, want %+v", m, want)
			}
			layers := 0.0
			for _, l := range m.Modules {
				layers += l.Drift * l.Drift
			}
			if got := math.Sqrt(layers); math.Abs(got-want.Drift) > 1e-12*want.Drift || len(m.Flips) == 0 {
				t.Errorf("the layers' drift comes to %v, the whole is %v; flips %v", got, want.Drift, m.Flips)
			}
			if m.Sample.Drift <= 0 || m.Sample.Divergence <= 0 {
				t.Errorf("nothing was measured: %+v", m.Sample)
			}
		}
	}
	session.say(measure) // 1 and 2 from their ends, 3 and 7 with the start that is still there
	measured()
	if n, m := c.fetchCount(startHash), c.fetchCount(nextHash); n != 1 || m != 1 {
		t.Errorf("start fetched %d times and model %d times, want once each", n, m)
	}
	// The next round begins, and the model is there already.
	session.say(s.assign(2, nextHash, 5))
	session.hearTrained(5)
	if n := c.fetchCount(nextHash); n != 1 {
		t.Errorf("the next start was fetched %d times, want once", n)
	}
	// Now nothing is left of round 1.
	session.say(measure)
	measured()
	if n := c.fetchCount(startHash); n != 2 {
		t.Errorf("the start was fetched %d times, want twice", n)
	}
}

func TestProbeIsAtMostTheShard(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start := s.model(1)
	hash := c.serve(start)
	for _, probe := range []int{2, 1000, 3} {
		session.say(wire.Measure{Key: s.key(3), Shards: []int{4}, Start: hash, Model: hash, Probe: probe})
		m := hear[wire.DriftSample](session)
		if want := s.sample(3, start, start, 4, probe); m.Sample != want || m.Probe != min(probe, len(s.job.Shards[4])) {
			t.Errorf("probe %d: heard %+v, want %+v", probe, m, want)
		}
	}
}

func TestMeasuresWhatWasPushedAlone(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start, next := s.model(1), s.model(2)
	hash := c.serve(start)
	a := s.assign(1, hash, 1)
	a.Sum, a.Tasks[0].Measured = false, true
	session.say(a)
	session.hearTrained(1)
	p := c.push(1)
	s.check(p, 1, start)
	p.reply(wire.Counted, "")
	c.forget(hash)
	session.say(wire.Measure{Key: s.key(1), Shards: []int{1}, Start: hash, Model: c.serve(next), Probe: 8})
	if m, want := hear[wire.DriftSample](session), s.sample(1, start, next, 1, 8); m.Sample != want {
		t.Errorf("heard %+v, want %+v", m.Sample, want)
	}
}

func TestMeasurementsThatCannotBe(t *testing.T) {
	s, c, session := begin(t, strings.Replace(defaultSpec, "lr: 0.1", "lr: 1.0e+12", 1))
	hash := c.serve(s.model(1))
	unknown := hashOf(s.model(9))
	other := wire.Key{Run: "another", Round: 1}
	for _, test := range []struct {
		name, want string
		measure    wire.Measure
	}{
		{"another run", "not open", wire.Measure{Key: other, Shards: []int{1}, Start: hash, Model: hash, Probe: 4}},
		{"round 0", "not open", wire.Measure{Key: s.key(0), Shards: []int{1}, Start: hash, Model: hash, Probe: 4}},
		{"a shard outside the run", "12 shards", wire.Measure{Key: s.key(1), Shards: []int{12}, Start: hash, Model: hash, Probe: 4}},
		{"a model that cannot be had", "no model", wire.Measure{Key: s.key(1), Shards: []int{1}, Start: hash, Model: unknown, Probe: 4}},
		{"a start that cannot be had", "no model", wire.Measure{Key: s.key(1), Shards: []int{1}, Start: unknown, Model: hash, Probe: 4}},
		{"a task that diverges", "diverged", wire.Measure{Key: s.key(1), Shards: []int{1}, Start: hash, Model: hash, Probe: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			session.say(test.measure)
			f := hear[wire.DriftFailed](session)
			if f.Key != test.measure.Key || !slices.Equal([]int{f.Shard}, test.measure.Shards) || !strings.Contains(f.Reason, test.want) {
				t.Errorf("heard %+v, want a reason with %q", f, test.want)
			}
		})
	}
}
