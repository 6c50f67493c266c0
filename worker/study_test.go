package worker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/proto/readings"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// A worker makes a study beside its tasks, fetches what it needs for it, and names what it found.
func TestStudies(t *testing.T) {
	s, c, session := begin(t, defaultSpec)
	start, next := s.model(1), s.model(2)
	startHash, nextHash := c.serve(start), c.serve(next)
	order := wire.Study{Key: s.key(1), Shards: []int{1, 3}, Start: startHash, Model: nextHash, Studies: []string{"updates", "local_ranks"}}
	for _, k := range []int{1, 2, 3} {
		order.Tasks = append(order.Tasks, wire.StudiedTask{Shard: k, Weight: weight(k)})
	}
	session.say(order)
	found := hear[wire.Studied](session)
	norms := 0
	for _, r := range found.Readings {
		if r.Quantity == "update.norm" {
			norms++
		}
	}
	if found.Key != s.key(1) || norms != 3 { // of two shards and of the mean
		t.Errorf("heard %+v", found)
	}
	if n := c.fetchCount(startHash); n != 1 {
		t.Errorf("the start was fetched %d times, want once", n)
	}
	session.say(s.assign(2, nextHash, 5)) // the model of the study is there already
	session.hearTrained(5)
	if n := c.fetchCount(nextHash); n != 1 {
		t.Errorf("the next start was fetched %d times, want once", n)
	}
}

func TestStudiesThatCannotBe(t *testing.T) {
	s, c, session := begin(t, strings.Replace(defaultSpec, "lr: 0.1", "lr: 1.0e+12", 1))
	hash, unknown := c.serve(s.model(1)), hashOf(s.model(9))
	good := wire.Study{Key: s.key(1), Shards: []int{1}, Tasks: []wire.StudiedTask{{Shard: 1, Weight: 1}}, Start: hash, Model: hash, Studies: []string{"updates"}}
	for _, test := range []struct {
		name, want string
		change     func(*wire.Study)
	}{
		{"another run", "not open", func(m *wire.Study) { m.Key = wire.Key{Run: "another", Round: 1} }},
		{"round 0", "not open", func(m *wire.Study) { m.Key = s.key(0) }},
		{"a shard outside the run", "12 shards", func(m *wire.Study) { m.Tasks = append(m.Tasks, wire.StudiedTask{Shard: 12, Weight: 1}) }},
		{"a model that cannot be had", "no model", func(m *wire.Study) { m.Model = unknown }},
		{"a start that cannot be had", "no model", func(m *wire.Study) { m.Start = unknown }},
		{"a study that there is not", "no study", func(m *wire.Study) { m.Studies = []string{"horoscope"} }},
		{"a task that diverges", "diverged", func(*wire.Study) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			order := good
			test.change(&order)
			session.say(order)
			if f := hear[wire.StudyFailed](session); f.Key != order.Key || !strings.Contains(f.Reason, test.want) {
				t.Errorf("heard %+v, want a reason with %q", f, test.want)
			}
		})
	}
}

// A study of a round with more local steps than a record takes looks at some of them, and the record says at which.
func TestStudyOfALongRoundFitsIntoARecord(t *testing.T) {
	const steps = 5000
	s, c, session := begin(t, strings.Replace(defaultSpec, "steps: 4", fmt.Sprintf("steps: %d", steps), 1))
	hash, next := c.serve(s.model(1)), c.serve(s.model(2))
	session.say(wire.Study{
		Key: s.key(1), Shards: []int{1, 3}, Start: hash, Model: next, Studies: []string{"saw_tooth"},
		Tasks: []wire.StudiedTask{{Shard: 1, Weight: weight(1)}, {Shard: 3, Weight: weight(3)}},
	})
	found := hear[wire.Studied](session)
	if n, size := len(found.Readings), readings.Size(found.Readings); n > readings.Most || size > readings.MostBytes || n < readings.Most/4 {
		t.Errorf("%d numbers with %d bytes, want many and at most %d with %d", n, size, readings.Most, readings.MostBytes)
	}
	every, last := 0, 0
	for _, r := range found.Readings {
		if r.Quantity == "sawtooth.every" {
			every = int(r.Value)
		}
	}
	for _, r := range found.Readings {
		if r.Quantity != "divergence" {
			continue
		}
		if want := min(last+every, steps); r.Step != want {
			t.Fatalf("after step %d comes %d, want %d", last, r.Step, want)
		}
		last = r.Step
	}
	if every < 2 || last != steps {
		t.Errorf("every %d to step %d, want a larger number to %d", every, last, steps)
	}
}
