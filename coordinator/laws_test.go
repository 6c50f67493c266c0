package coordinator

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// logged collects what is logged as text.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns the lines that have a word.
func (l *logged) lines(word string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

// madeUp are the entries of a run whose first weight has the rank 8 after each of so many rounds. A round keeps a hundredth of the
// matrix: 0.01 x 2 > 0.001 x 3 >= 0.01^2 x 2, so that from round 2 on two rounds of two examples bound its rank by 4.
func madeUp(t *testing.T, run record.Run, rounds int) (entries []record.Entry) {
	t.Helper()
	prev := run.Genesis()
	add := func(body record.Body) {
		e, err := record.Link(run.ID, uint64(len(entries)), prev, body, nil)
		if err != nil {
			t.Fatal(err)
		}
		prev = e.Hash
		entries = append(entries, e)
	}
	for n := range rounds + 1 {
		r := record.Round{Number: n, Model: tensor.Hash{byte(n), 1}, MeasureDue: true}
		if n > 0 {
			r.StartModel, r.Invited, r.Participants, r.Weights = tensor.Hash{byte(n - 1), 1}, []int{0, 3}, []int{0, 3}, []uint64{1, 1}
			r.Steps, r.Examples = 2, 2
		}
		add(&r)
		add(&record.Measured{Round: n, Layers: []record.Layer{{
			Name: "0.weight", Shape: []int{8, 784}, Spectrum: &record.Spectrum{Rank: 8, Epsilon: 0.001, Frobenius: 3, Spectral: 2},
		}}})
	}
	return entries
}

// A rank above its certificate is logged once, with everything that somebody needs who looks for the mistake.
func TestViolatedCertificatesAreLoggedOnce(t *testing.T) {
	s := parse(t, 5, "local: {epochs: 1, batch: 20, optimizer: {sgd: {lr: 0.1, weight_decay: 9.9}}}\n")
	out := &logged{}
	run := record.Run{ID: "run0", Spec: s.Proto(), ShardSizes: []int{20, 20, 20, 20}}
	o := &owner{run: run, log: slog.New(slog.NewTextHandler(out, nil)).With("run", run.ID)}
	for _, e := range madeUp(t, run, 5) {
		if err := o.checkEntry(e); err != nil {
			t.Fatal(err)
		}
	}
	lines := out.lines("CERTIFICATE VIOLATED")
	if len(lines) != 1 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "run=run0 round=2 layer=0.weight rank=8 bound=4") {
		t.Errorf("logged %q", lines)
	}
	if w := o.laws.next; w != 12 {
		t.Errorf("entry %d is next, want 12", w)
	}
}

// An exact law that a worker's measurement breaks is logged once, and a run that keeps it logs nothing.
func TestBrokenLawsAreLoggedOnce(t *testing.T) {
	for _, off := range []float64{1e-6, 1e-3} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			s := parse(t, 3, "")
			s.Studies.Set(spec.Identity, 1)
			out := &logged{}
			b := start(t, Config{Logger: slog.New(slog.NewTextHandler(out, nil))})
			b.join("a", s, func(h *hand) {
				h.onStudy = func(m wire.Study) {
					b.Deliver(h.s, wire.Studied{Key: m.Key, Readings: []study.Reading{
						{Quantity: "zero_inputs.off", Layer: "0.weight", Shard: study.Average, Value: off},
						{Quantity: "zero_inputs.rounding", Layer: "0.weight", Shard: study.Average, Value: 1e-5},
					}})
				}
			})
			id := b.submit(s)
			if run, _ := b.wait(id); run.Status != record.Completed {
				t.Fatalf("%v: %s", run.Status, run.Reason)
			}
			lines := out.lines("EXACT LAW BROKEN")
			if off > 1e-5 != (len(lines) == 1) {
				t.Fatalf("logged %q", lines)
			}
			for _, line := range lines {
				if !strings.Contains(line, "run="+id) || !strings.Contains(line, "round=1 layer=0.weight measured=0.001 allowed=1e-05") {
					t.Errorf("logged %q", line)
				}
			}
		})
	}
}
