package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
)

// watcher shows a run while it is followed: one live line on a terminal, one plain line a round elsewhere.
type watcher struct {
	console *view.Console
	mu      sync.Mutex
	story   view.Story
	done    chan struct{}
	ticking sync.WaitGroup
}

// redrawEvery keeps countdowns going and follows changes of the terminal's width.
const redrawEvery = 250 * time.Millisecond

func newWatcher(console *view.Console) *watcher {
	return &watcher{console: console, done: make(chan struct{})}
}

// begin puts up the live line, where there is a terminal.
func (w *watcher) begin() {
	if !w.console.Terminal() {
		return
	}
	w.console.Live(func(width int) string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.story.LiveLine(width, time.Now())
	})
	w.ticking.Go(func() {
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.console.Redraw()
			case <-w.done:
				return
			}
		}
	})
}

// quietly takes an event of the past: nothing is printed.
func (w *watcher) quietly(e control.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.story.Add(e)
	return err
}

// show takes an event and shows what it changes.
func (w *watcher) show(e control.Event) error {
	w.mu.Lock()
	rounds, err := w.story.Add(e)
	goal := w.story.Goal
	w.mu.Unlock()
	if w.console.Terminal() {
		w.console.Redraw()
	} else {
		w.print(rounds, goal)
	}
	return err
}

func (w *watcher) print(rounds []*record.RoundHistory, goal int) {
	for _, r := range rounds {
		w.console.Printf("%s", view.RoundLine(r, goal))
	}
}

// end prints what was held back, or leaves the live line as it is at the end. It returns the whole story.
func (w *watcher) end() *view.Story {
	close(w.done)
	w.ticking.Wait()
	if w.console.Terminal() {
		w.console.Keep()
	} else {
		w.print(w.story.Rest(), w.story.Goal)
	}
	return &w.story
}

// patience is how long a coordinator that was followed may be gone.
const patience = 2 * time.Minute

// follow shows a run of a place until the run has ended, also over restarts of a coordinator. In a directory nothing goes
// on: what is there is shown.
func (w *watcher) follow(ctx context.Context, place archive, run string) error {
	_, restarts := place.(*control.Client)
	var lost time.Time
	for {
		err := place.Follow(ctx, run, w.story.Next, true, func(e control.Event) error {
			lost = time.Time{}
			return w.show(e)
		})
		gone := restarts && (err == nil && !w.ended() || errors.Is(err, control.ErrUnavailable) && w.story.Run.ID != "")
		if !gone {
			return err
		}
		if lost.IsZero() {
			lost = time.Now()
			w.console.Printf("the coordinator is gone, waiting for it to come back")
		} else if time.Since(lost) > patience {
			return fmt.Errorf("the coordinator did not come back within %v: %w", patience, err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.story.Run.Status.Final() || w.story.Run.Status == record.Stopped
}

// outcome turns the status of a run that was followed to its end into the command's error.
func outcome(r record.Run, goOn string) error {
	what := fmt.Sprintf("run %s %v", r.ID, r.Status)
	if r.Reason != "" {
		what += ": " + r.Reason
	}
	switch r.Status {
	case record.Completed:
		return nil
	case record.Failed, record.Cancelled:
		return &codeError{exitFailed, errors.New(what)}
	}
	return &codeError{exitStopped, fmt.Errorf("%s\nit goes on with: %s", what, goOn)}
}
