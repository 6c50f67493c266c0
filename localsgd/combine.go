package localsgd

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// What Combiners share: they go through the parameters of all updates a chunk of elements at a time. Sums over elements
// are those of blocks of a fixed number of elements, one block after the other, so that neither the size of chunks nor the
// number of goroutines changes a bit. Running statistics are never looked at.

const (
	// combineBlock is how many elements a block has.
	combineBlock = 1 << 10
	// combineNumbers is how many numbers of all updates a chunk has at most, if that makes a block.
	combineNumbers = 1 << 21
)

// ErrTooFewUpdates says that a Combiner has fewer updates than it needs.
var ErrTooFewUpdates = errors.New("too few updates")

// checkCount compares the number of updates with what a Combiner needs.
func checkCount(rule Combiner, n int) error {
	if least := rule.Least(); n < least {
		return fmt.Errorf("%w: %s needs %d, there are %d", ErrTooFewUpdates, rule.Name(), least, n)
	}
	return nil
}

// chunk is a piece of some updates: elements from offset on, by update.
type chunk struct {
	offset int
	rows   [][]float32
}

// blocks calls do for each block of the chunk, with the range of its elements.
func (c chunk) blocks(do func(from, to int)) {
	size := len(c.rows[0])
	for from := 0; from < size; from += combineBlock {
		do(from, min(from+combineBlock, size))
	}
}

// eachChunk visits all parameters of the chosen updates, ascending; the chunk is valid during the visit.
func (c *Combination) eachChunk(chosen []int, visit func(chunk)) error {
	size := max(1, combineNumbers/combineBlock/len(chosen)) * combineBlock
	rows, part := make([][]float32, len(chosen)), make([][]float32, len(chosen))
	for i := range rows {
		rows[i] = make([]float32, min(size, c.Layout.Size()))
	}
	for _, s := range parameterSpans(c.Layout) {
		for at := s.from; at < s.to; at += size {
			for i := range rows {
				part[i] = rows[i][:min(size, s.to-at)]
			}
			if err := c.read(chunk{at, part}, chosen); err != nil {
				return err
			}
			visit(chunk{at, part})
		}
	}
	return nil
}

// read fills a chunk with the chosen updates.
func (c *Combination) read(part chunk, chosen []int) error {
	for i, u := range chosen {
		if err := c.Updates.Read(part.rows[i], u, part.offset); err != nil {
			return fmt.Errorf("reading the update of shard %d: %w", c.Updates.Shares()[u].Shard, err)
		}
	}
	return nil
}

// all are the indices of all updates.
func (c *Combination) all() []int {
	chosen := make([]int, len(c.Updates.Shares()))
	for i := range chosen {
		chosen[i] = i
	}
	return chosen
}

// span is a range of a block's elements.
type span struct{ from, to int }

// parameterSpans returns where parameters are that are no running statistics, neighbours joined.
func parameterSpans(layout *tensor.Layout) (spans []span) {
	for _, v := range views(layout) {
		last := len(spans) - 1
		switch {
		case v.Buffer:
		case last >= 0 && spans[last].to == v.Offset:
			spans[last].to += v.Size
		default:
			spans = append(spans, span{v.Offset, v.Offset + v.Size})
		}
	}
	return spans
}

// weightedMean puts the mean of the chosen updates in the mean's place, with weights of sum 1: summed in float64 in the
// order given, rounded once.
func (c *Combination) weightedMean(chosen []int, weights []float64) error {
	var mean []float64
	return c.eachChunk(chosen, func(part chunk) {
		mean = slices.Grow(mean[:0], len(part.rows[0]))[:len(part.rows[0])]
		part.weightedMean(mean, weights)
		convert(c.Next[part.offset:][:len(mean)], mean)
	})
}

// weightedMean writes the chunk's weighted sum to dst.
func (c chunk) weightedMean(dst []float64, weights []float64) {
	inParallel((len(dst)+combineBlock-1)/combineBlock, func(b int) {
		from, to := b*combineBlock, min((b+1)*combineBlock, len(dst))
		sum := dst[from:to]
		clear(sum)
		for i, row := range c.rows {
			w := weights[i]
			for j, x := range row[from:to] {
				sum[j] += float64(w * float64(x))
			}
		}
	})
}

// squareDistance returns the square of the distance between x and y, in four sums that take turns.
func squareDistance(x, y []float64) float64 {
	var s0, s1, s2, s3 float64
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a, b := x[i:i+4:i+4], y[i:i+4:i+4]
		d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
		s0 += float64(d0 * d0)
		s1 += float64(d1 * d1)
		s2 += float64(d2 * d2)
		s3 += float64(d3 * d3)
	}
	for ; i < len(x); i++ {
		d := x[i] - y[i]
		s0 += float64(d * d)
	}
	return (s0 + s1) + (s2 + s3)
}

// inParallel calls do for 0 to n-1, which must not depend on each other, on as many goroutines as there are processors.
func inParallel(n int, do func(i int)) {
	var all sync.WaitGroup
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}
