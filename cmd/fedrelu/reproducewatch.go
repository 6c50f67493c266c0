package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/papers"
)

// claimWatch tells on stderr which claim is being measured and for how long: a live line on a terminal, a line for each
// claim when it is done.
type claimWatch struct {
	console *view.Console
	total   int

	mu      sync.Mutex
	done    int
	id      string
	said    string
	started time.Time // of the claim
	begun   time.Time

	ticks chan struct{}
	ended sync.WaitGroup
}

func newClaimWatch(console *view.Console, chosen []claims.Paper) *claimWatch {
	w := &claimWatch{console: console, begun: time.Now(), ticks: make(chan struct{})}
	for _, p := range chosen {
		w.total += len(p.Claims)
	}
	if console.Terminal() {
		w.ended.Go(w.redraw)
	}
	return w
}

func (w *claimWatch) redraw() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.console.Redraw()
		case <-w.ticks:
			return
		}
	}
}

// stop ends the watch.
func (w *claimWatch) stop() {
	close(w.ticks)
	w.ended.Wait()
	w.pause()
}

// pause takes the live line away until the next claim begins.
func (w *claimWatch) pause() { w.console.Live(nil) }

func (w *claimWatch) begin(c claims.Claim) {
	w.mu.Lock()
	w.id, w.said, w.started = c.ID, "", time.Now()
	w.mu.Unlock()
	w.console.Live(w.line)
}

func (w *claimWatch) say(format string, args ...any) {
	w.mu.Lock()
	w.said = fmt.Sprintf(format, args...)
	w.mu.Unlock()
}

func (w *claimWatch) end(r papers.Result) {
	w.mu.Lock()
	w.done++
	done := w.done
	w.mu.Unlock()
	w.pause()
	verdict := view.NotMeasured
	if r.Err == nil {
		verdict = string(r.Outcome.Verdict)
	}
	w.console.Printf("[%d/%d] %-7s %-18s %s", done, w.total, r.Claim.ID, verdict, view.Seconds(r.Took.Seconds()))
}

// line is the live line.
func (w *claimWatch) line(width int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("[%d/%d] measuring %s for %s, %s in all", w.done+1, w.total, w.id,
		view.Seconds(time.Since(w.started).Seconds()), view.Seconds(time.Since(w.begun).Seconds()))
	if w.said != "" {
		text += ": " + w.said
	}
	return view.Cut(text, width)
}
