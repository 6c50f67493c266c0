package claims

import (
	"context"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fedrelu/fedrelu/internal/figure"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Size says how much is spent on a claim.
type Size int

// The sizes. Quick measures every claim, smaller, in minutes for all; Full is for numbers to quote.
const (
	Quick Size = iota
	Medium
	Full
)

// Lab is where claims are measured: their specs with the user's changes, how much to spend, and what was drawn and tabulated on
// the way. Claims of one Lab are measured one after the other; each may spread its work with Each.
type Lab struct {
	Size    Size
	Specs   fs.FS    // ID.yaml for each claim
	Set     []string // the user's path=value over every spec
	Threads int      // goroutines that train at once, from 1
	Say     func(format string, args ...any)

	mu      sync.Mutex
	memo    map[string]*remembered
	data    map[spec.Source]shard.Data
	figures []Drawing
	boards  map[string]*board
	tables  []Table
}

// Drawing is a figure with the name of its file, without an extension.
type Drawing struct {
	Name   string
	Figure *figure.Figure
}

// Table is what a claim measured in long form: a row for each measurement, numbers written in full.
type Table struct {
	Name    string // of its file, without an extension
	Columns []string
	Rows    [][]string
}

// Pick returns the value for the size of the laboratory.
func Pick[T any](l *Lab, quick, medium, full T) T {
	return [...]T{quick, medium, full}[l.Size]
}

// Seeds returns the paired seeds of a trend: three for a quick look, five otherwise.
func (l *Lab) Seeds() []uint64 { return Seeds(Pick(l, 3, 5, 5)) }

// Seeds returns the seeds 1 to n.
func Seeds(n int) []uint64 {
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = uint64(i) + 1
	}
	return seeds
}

// Each calls f for 0 to n-1 on the goroutines of the laboratory and returns the first error. Calls must not depend on their
// order, and not call Each.
func (l *Lab) Each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, l.Threads))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return g.Wait()
}

type remembered struct {
	once  sync.Once
	value any
	err   error
}

// Once returns what f returned when it was first called for the key: what several claims look at is measured once. T must be
// the same for every call with one key.
func Once[T any](l *Lab, key string, f func() (T, error)) (T, error) {
	l.mu.Lock()
	if l.memo == nil {
		l.memo = map[string]*remembered{}
	}
	r := l.memo[key]
	if r == nil {
		r = &remembered{}
		l.memo[key] = r
	}
	l.mu.Unlock()
	r.once.Do(func() { r.value, r.err = f() })
	if r.err != nil {
		var zero T
		return zero, r.err
	}
	return r.value.(T), nil
}

// Draw hands in a figure. A later one of the same name takes its place.
func (l *Lab) Draw(name string, f *figure.Figure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.figures {
		if l.figures[i].Name == name {
			l.figures[i].Figure = f
			return
		}
	}
	l.figures = append(l.figures, Drawing{name, f})
}

// Tabulate hands in a table. A later one of the same name takes its place.
func (l *Lab) Tabulate(t Table) {
	for _, row := range t.Rows {
		if len(row) != len(t.Columns) {
			panic(fmt.Sprintf("claims: table %s has a row of %d values for %d columns", t.Name, len(row), len(t.Columns)))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.tables {
		if l.tables[i].Name == t.Name {
			l.tables[i] = t
			return
		}
	}
	l.tables = append(l.tables, t)
}

// Figures returns what was drawn, in its order.
func (l *Lab) Figures() []Drawing { return l.figures }

// Tables returns what was tabulated, in its order.
func (l *Lab) Tables() []Table { return l.tables }
