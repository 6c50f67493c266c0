package kernel

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

// counted notes how often each part is done, and by members of which numbers.
type counted struct {
	parts   []atomic.Int32
	highest atomic.Int64
}

func (c *counted) Part(i, member int) {
	c.parts[i].Add(1)
	for h := c.highest.Load(); int64(member) > h && !c.highest.CompareAndSwap(h, int64(member)); h = c.highest.Load() {
	}
}

func TestCallsDoEachPartOnce(t *testing.T) {
	for _, size := range []int{1, 2, 3} {
		team := NewTeam(size)
		dismiss := team.Staff()
		var call Call
		for parts := range 40 {
			work := &counted{parts: make([]atomic.Int32, parts)}
			call.Do(team, work, parts)
			for i := range work.parts {
				if n := work.parts[i].Load(); n != 1 {
					t.Errorf("%d members did part %d of %d %d times", size, i, parts, n)
				}
			}
			if h := work.highest.Load(); h >= int64(size) {
				t.Errorf("member %d in a team of %d", h, size)
			}
		}
		dismiss()
	}
}

// A call goes to those who wait, and to nobody else.
func TestCallsAskNobodyWhoIsBusy(t *testing.T) {
	var call Call
	work := &counted{parts: make([]atomic.Int32, 5)}
	call.Do(NewTeam(3), work, 5)
	call.Do(nil, work, 5)
	if h := work.highest.Load(); h != 0 {
		t.Errorf("member %d of a team whose others are busy", h)
	}
}

// rendezvous is work that ends only when so many members do it at the same time.
type rendezvous chan struct{}

func (r rendezvous) Part(i, _ int) {
	if i == 0 {
		<-r
	} else {
		r <- struct{}{}
	}
}

func TestMembersWorkAtTheSameTime(t *testing.T) {
	team := NewTeam(2)
	defer team.Staff()()
	call := Call{team: team, work: make(rendezvous), parts: 2}
	for !call.share() {
		runtime.Gosched() // until the other one waits
	}
	call.do(0)
}

// Products have the same bits whoever shares them, and a pass allocates nothing.
func TestTeamsChangeNoBit(t *testing.T) {
	for _, c := range []struct{ n, in, out int }{{200, 203, 101}, {12, 512, 384}, {96, 130, 256}, {15, 401, 400}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			alone := teamPass(t, c.n, c.in, c.out, nil)
			for size := 1; size <= 3; size++ {
				team := NewTeam(size)
				dismiss := team.Staff()
				got := teamPass(t, c.n, c.in, c.out, team)
				dismiss()
				if !slices.Equal(got, alone) {
					t.Errorf("other bits with a team of %d", size)
				}
			}
		})
	}
}

// teamPass makes some steps of a layer and returns all that comes out.
func teamPass(t *testing.T, n, in, out int, team *Team) []float32 {
	if n*in*out < sharedFrom {
		t.Fatal("too small to be shared")
	}
	l := newBenchLayers(n, in, out, 1)
	w := l.w[0]
	start := make([]float32, in*out)
	for i := range start {
		start[i] = float32(i%11-5) / 64
	}
	w.Load(start, make([]float32, out))
	w.Join(team)
	pass := &Backward[float32]{N: n, DY: l.dy, X: l.x, DX: l.dx, Mask: l.mask, SGD: &l.heavy, Velocity: l.v[0]}
	l.heavy.LR = 0.01
	if allocated := testing.AllocsPerRun(3, func() {
		w.Forward(l.y, l.x, n, true)
		w.Backward(pass)
	}); allocated > 0 {
		t.Errorf("%v allocations a pass", allocated)
	}
	bias := make([]float32, out)
	w.Save(start, bias)
	return slices.Concat(start, bias, l.y[:n*out], l.dx[:n*in])
}
