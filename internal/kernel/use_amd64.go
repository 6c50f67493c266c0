package kernel

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

var (
	avx2 = &implementation{name: "avx2", run: runAVX2, turn: turnAVX2, peak: func(loops int) float64 {
		peakAVX2(loops)
		return float64(loops * 12 * 8 * 2)
	}}
	avx512 = &implementation{name: "avx512", run: runAVX512, turn: turnAVX2, peak: func(loops int) float64 {
		peakAVX512(loops)
		return float64(loops * 16 * 16 * 2)
	}}
)

func implementations() []*implementation {
	all := []*implementation{portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, avx2)
		if cpu.X86.HasAVX512F {
			all = append(all, avx512)
		}
	}
	return all
}

// The vectors of a row go from the last to the first, so that what they write past a row's end is overwritten by the next
// row's first ones.

func runAVX2(p *product[float32]) {
	end := p.lanes
	if end%16 != 0 {
		end -= 8
		p.runTiles(tilesAVX2x1[:], end)
	}
	for ; end > 0; end -= 16 {
		p.runTiles(tilesAVX2x2[:], end-16)
	}
}

func runAVX512(p *product[float32]) {
	end := p.lanes
	if end%16 != 0 {
		end -= 8
		p.runTiles(tilesAVX2x1[:], end)
	}
	if end%32 != 0 {
		end -= 16
		p.runTiles(tilesAVX512x1[:], end)
	}
	for ; end > 0; end -= 32 {
		p.runTiles(tilesAVX512x2[:], end-32)
	}
}

// runTiles computes all rows of the lanes that tiles have, from lane j on, in blocks of rows that are as equal as can be.
func (p *product[F]) runTiles(tiles []func(*tile), j int) {
	p.checkLengths()
	const size = int(unsafe.Sizeof(float32(0)))
	t := &p.tile
	*t = tile{
		b:    address(p.b, j),
		rowA: p.rowA * size, termA: p.termA * size, rowB: p.rowB * size, rowC: p.rowC * size, rowExtra: p.rowExtra * size,
		terms: p.terms, mode: p.mode,
		lr: float32(p.sgd.LR), shrink: float32(p.sgd.Shrink), decay: float32(p.sgd.Decay), momentum: float32(p.sgd.Momentum),
	}
	count := (p.rows + len(tiles) - 1) / len(tiles)
	low, more := p.rows/count, p.rows%count
	if more > 0 {
		p.runBlocks(tiles[low], j, 0, more, low+1)
	}
	p.runBlocks(tiles[low-1], j, more*(low+1), count-more, low)
}

// maxProducts bounds the multiply-adds of one call of assembly: 0.3 ms at 110 GFLOP/s.
const maxProducts = 1 << 24

// runBlocks computes blocks of so many rows each, from row on and from lane j on.
func (p *product[F]) runBlocks(run func(*tile), j, row, blocks, rows int) {
	t := &p.tile
	most := max(1, maxProducts/(rows*panelWidth*p.terms))
	for blocks > 0 {
		t.blocks = min(blocks, most)
		t.a, t.c, t.extra = address(p.a, row*p.rowA), address(p.c, row*p.rowC+j), nil
		if p.extra != nil {
			t.extra = address(p.extra, row*p.rowExtra+j)
		}
		run(t)
		row += t.blocks * rows
		blocks -= t.blocks
	}
}

// checkLengths panics where assembly would leave a slice.
func (p *product[F]) checkLengths() {
	_ = p.a[(p.rows-1)*p.rowA+(p.terms-1)*p.termA]
	_ = p.b[(p.terms-1)*p.rowB+p.lanes-1]
	_ = p.c[(p.rows-1)*p.rowC+p.lanes-1]
	if p.mode != modeStore && p.mode != modePlain && p.mode != modeShrink {
		_ = p.extra[(p.rows-1)*p.rowExtra+p.lanes-1]
	}
}

// address is that of x[i]; F is float32.
func address[F Float](x []F, i int) *float32 { return (*float32)(unsafe.Pointer(&x[i])) }

func turnAVX2(dst, src matrix[float32], rows, columns int) {
	_, _ = dst.x[(columns-1)*dst.row+rows-1], src.x[(rows-1)*src.row+columns-1]
	for i := 0; i < rows; i += 8 {
		transposeAVX2(&dst.x[i], &src.x[i*src.row], dst.row*4, src.row*4, columns/8, src.next*4)
	}
}
