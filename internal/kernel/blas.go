//go:build blas

package kernel

import (
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Reordered sets the numerics version of builds with the tag blas apart from all others.
const Reordered = 1_000_000

// external computes with whatever implementation of BLAS blas32.Use has been given: at first gonum's own.
var external = &implementation{
	name: "blas",
	run:  runBLAS,
	turn: fastest().turn,
	peak: func(loops int) float64 { return fastest().peak(loops) },
}

func onRequest() []*implementation { return []*implementation{external} }

func fastest() *implementation {
	all := implementations()
	return all[len(all)-1]
}

// blasRows is how many rows of sums there is room for at once.
const blasRows = 128

var blasRoom = sync.Pool{New: func() any { return new([blasRows * panelWidth]float32) }}

// runBLAS lets sgemm make the sums, and does with them what the portable twin does. Where the rows of A overlap (those of
// convolutions) or are one and the same (those of biases), sgemm has no word for it, and the fastest other kernel computes.
func runBLAS(p *product[float32]) {
	trans, distance := blas.NoTrans, p.rowA
	switch {
	case p.termA == 1 && p.rowA >= p.terms:
	case p.rowA == 1 && p.termA >= p.rows:
		trans, distance = blas.Trans, p.termA
	default:
		p.runWith(fastest())
		return
	}
	room := blasRoom.Get().(*[blasRows * panelWidth]float32)
	defer blasRoom.Put(room)
	for from := 0; from < p.rows; from += blasRows {
		rows := min(blasRows, p.rows-from)
		gemm(room[:rows*p.lanes], p, from, trans, distance)
		for i := range rows {
			p.finish(from+i, room[i*p.lanes:][:p.lanes])
		}
	}
}

// gemm makes the sums of some rows of p, from row on.
func gemm(sums []float32, p *product[float32], row int, trans blas.Transpose, distance int) {
	rows, beta := len(sums)/p.lanes, float32(0)
	if p.from != nil {
		beta = 1
		for i := range rows {
			copy(sums[i*p.lanes:][:p.lanes], p.from[(row+i)*p.rowC:])
		}
	}
	for s := range max(p.spans.count, 1) {
		a, b := p.a[row*p.rowA+s*p.spans.a:], p.b[s*p.spans.b:]
		blas32.Implementation().Sgemm(trans, blas.NoTrans, rows, p.lanes, p.terms, 1, a, distance, b, p.rowB, beta, sums, p.lanes)
		beta = 1
	}
}
