package store

import (
	"fmt"
	"strings"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Report is what Verify found.
type Report struct {
	Dir      string
	Bytes    int64  // size of the file
	Pages    int    // in use and free
	Format   uint32 // 0: it could not be read
	Runs     []RunReport
	Problems []Problem // nothing here: everything is as it was written
}

// RunReport counts what a run has in the store.
type RunReport struct {
	ID, Name     string
	Status       record.Status
	Entries      int // valid ones
	Rounds       int // the number of the last round
	Measured     int // rounds that were measured
	Due          int // rounds whose measurement is missing, which it may in a run that has not completed
	Models       int
	Chunks       int
	ModelBytes   int64
	Unreferenced int // models that nothing refers to: left by a process that was interrupted, swept at the next Open
	Declared     int // damaged entries that the chain declares
	Repaired     int // damaged models that were computed again
}

// OK tells whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(run, where string, err error) {
	r.Problems = append(r.Problems, Problem{Run: run, Where: where, Err: err})
}

// model checks one stored model and counts it.
func (r *Report) model(s *Store, run string, hash tensor.Hash, of *RunReport) error {
	m, err := s.OpenModel(run, hash)
	if err != nil {
		return err
	}
	defer m.Close()
	of.Models++
	of.ModelBytes += 4 * int64(m.Values())
	return m.each(func(int, []byte) { of.Chunks++ })
}

// String is the report as people read it, in lines.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d bytes, %d pages, format %d, %d runs\n", r.Dir, r.Bytes, r.Pages, r.Format, len(r.Runs))
	for _, run := range r.Runs {
		fmt.Fprintf(&b, "run %s %q: %v, %d entries, round %d, %d measured, %d models (%d chunks, %d bytes)\n", run.ID, run.Name,
			run.Status, run.Entries, run.Rounds, run.Measured, run.Models, run.Chunks, run.ModelBytes)
		run.note(&b, run.Due, "measurements due")
		run.note(&b, run.Declared, "damaged entries, declared in the chain")
		run.note(&b, run.Repaired, "damaged models, computed again")
		run.note(&b, run.Unreferenced, "models of an interrupted write, to be swept")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "PROBLEM %v\n", p)
	}
	if r.OK() {
		b.WriteString("everything is as it was written\n")
	} else {
		fmt.Fprintf(&b, "%d problems\n", len(r.Problems))
	}
	return b.String()
}

func (r *RunReport) note(b *strings.Builder, n int, what string) {
	if n > 0 {
		fmt.Fprintf(b, "    %d %s\n", n, what)
	}
}
