package round

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDeadlineIsMedianAndMAD(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		times []time.Duration
		a     Adaptive
		want  time.Duration
	}{
		{nil, Adaptive{K: 3, Least: 1}, 0},
		{[]time.Duration{s, s, s}, Adaptive{K: 3, Least: 4}, 0},
		{[]time.Duration{5 * s}, Adaptive{K: 3, Least: 1}, 5 * s},
		{[]time.Duration{s, 2 * s, 3 * s, 4 * s, 100 * s}, Adaptive{K: 2, Least: 1}, 5 * s},
		{[]time.Duration{4 * s, 2 * s}, Adaptive{K: 2, Least: 2}, 5 * s},
		{[]time.Duration{s, s, s}, Adaptive{K: 3, Least: 1, Floor: 2 * s}, 2 * s},
		{[]time.Duration{0, longest}, Adaptive{K: 1e300, Least: 1}, longest},
	} {
		if got, basis := c.a.Deadline(c.times); got != c.want || (basis == "") != (got == 0) {
			t.Errorf("%+v after %v: %v (%q), want %v", c.a, c.times, got, basis, c.want)
		}
	}
}

// The deadline does not depend on the order of the times, moves with them, and less than half of them cannot move it beyond
// the others.
func TestDeadlineIsRobust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 100), func(n int) time.Duration { return time.Duration(2*n) * time.Second }), 3, 20).Draw(t, "times")
		a := Adaptive{K: float64(rapid.IntRange(1, 5).Draw(t, "k")), Least: 1}
		want, _ := a.Deadline(times)
		later := slices.Clone(times)
		for i := range later {
			later[i] += time.Minute
		}
		slices.Reverse(later)
		if got, _ := a.Deadline(later); max(want, 1) != got-time.Minute && want > 1 {
			t.Fatalf("a minute later the deadline is %v, want %v and a minute", got, want)
		}
		slices.Sort(times)
		low, high := times[0], times[len(times)-1]
		for range (len(times) - 1) / 2 {
			times = append(times[1:], 1000*time.Hour)
		}
		if got, _ := a.Deadline(times); got > high+time.Duration(a.K)*(high-low) {
			t.Fatalf("outliers make the deadline %v, without them times are %v to %v", got, low, high)
		}
	})
}

func TestTimesAreBounded(t *testing.T) {
	var times Times
	for range 3 {
		times.Observe(Close{Took: make([]time.Duration, 700)})
	}
	if n := len(times.All()); n != window {
		t.Errorf("%d times are kept, want %d", n, window)
	}
}

// With a limit, workers that hang hold up nobody: one that works closes the round.
func TestSilentWorkersDoNotBlock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.plan.Policy = Policy{GiveUp: time.Minute, TaskLimit: 10 * time.Second}
		m, err := New(w.plan, w.now)
		if err != nil {
			t.Fatal(err)
		}
		w.m = m
		var joins []Event
		for range rapid.IntRange(1, 3).Draw(t, "hanging") {
			joins = append(joins, Joined{w.join(Worker{Name: "hangs", Slots: rapid.IntRange(1, 3).Draw(t, "slots"), Serves: AllShards()}).worker})
		}
		helper := w.join(Worker{Name: "helper", Slots: 1, Serves: AllShards()})
		w.step(append(joins, Joined{helper.worker})...)
		for range 20*len(w.plan.Invited) + 20 {
			for task := range helper.tasks {
				w.push(helper.worker.ID, []int{task})
				if w.last != nil {
					break
				}
			}
			if w.last != nil {
				return
			}
			if wake, ok := w.m.Wake(); ok {
				w.now = wake
				w.step(Tick{})
			}
		}
		t.Fatalf("the round does not end: %+v", w.m.Wait())
	})
}
