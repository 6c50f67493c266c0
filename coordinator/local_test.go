package coordinator

import (
	"errors"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// What only a local run may ask for is refused by coordinators that serve other machines. A run that was begun locally
// waits there, stopped, for whoever can go on with it.
func TestLocalRunsStayLocal(t *testing.T) {
	s := parse(t, 2, "precision: float64")
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	if _, err := b.Submit(s); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "precision: float64") {
		t.Errorf("got %v, want an error about precision", err)
	}
	b.end()

	b = start(t, Config{Dir: dir, Local: true})
	id := b.submit(s)
	b.join("a", s, nil)
	b.until(id, 1)
	b.end()

	b = start(t, Config{Dir: dir, Resume: true})
	run, _ := b.wait(id)
	if run.Status != record.Stopped || !strings.Contains(run.Reason, "fedrelu run --resume") {
		t.Errorf("the run is %v (%s), want it stopped", run.Status, run.Reason)
	}
	b.end()

	b = start(t, Config{Dir: dir, Local: true, Resume: true})
	b.join("a", s, nil)
	run, rounds := b.wait(id)
	if run.Status != record.Completed {
		t.Fatalf("%v: %s", run.Status, run.Reason)
	}
	checkModels(t, rounds, oracle(t, s))
}
