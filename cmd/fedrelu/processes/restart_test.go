package processes

import (
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	const ms = time.Millisecond
	type end struct {
		lived time.Duration
		pause time.Duration
		again bool
	}
	for _, c := range []struct {
		name string
		ends []end
	}{
		{"quick ends are given up", []end{{0, 200 * ms, true}, {ms, 400 * ms, true}, {0, 800 * ms, true}, {0, 1600 * ms, true}, {0, 3200 * ms, false}}},
		{"a life that lasted makes up for them", []end{{0, 200 * ms, true}, {0, 400 * ms, true}, {lasting, 200 * ms, true}, {0, 400 * ms, true}}},
		{"lives that last go on for ever", []end{{lasting, 200 * ms, true}, {lasting, 200 * ms, true}, {time.Hour, 200 * ms, true},
			{lasting, 200 * ms, true}, {lasting, 200 * ms, true}, {lasting, 200 * ms, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p patience
			for i, e := range c.ends {
				pause, again := p.ended(e.lived)
				if again != e.again || again && pause != e.pause {
					t.Fatalf("end %d: pause %v, again %v; want %v, %v", i, pause, again, e.pause, e.again)
				}
			}
		})
	}
}
