package coordinator

import (
	"context"
	"errors"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// Who follows a run hears that it was stopped, even though the coordinator is ending; afterwards nothing panics.
func TestFollowerHearsTheStop(t *testing.T) {
	s := parse(t, 1000, "")
	b := start(t, Config{})
	b.join("a", s, nil)
	id := b.submit(s)
	b.until(id, 2)
	heard := make(chan record.Status, 1)
	told := make(chan struct{}, 1000)
	go func() {
		var last record.Status
		_ = b.Follow(context.Background(), id, 0, true, func(u Update) error {
			if u.Run != nil {
				last = u.Run.Status
				told <- struct{}{}
			}
			return nil
		})
		heard <- last
	}()
	<-told
	b.end()
	if got := <-heard; got != record.Stopped {
		t.Errorf("the follower heard %v last, want stopped", got)
	}
	if err := b.Follow(context.Background(), id, 0, true, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("following after the end: %v", err)
	}
	if _, err := b.Runs(); err == nil {
		t.Error("reading a closed store gives no error")
	}
}
