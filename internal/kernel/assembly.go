//go:build amd64 || arm64

package kernel

import "unsafe"

// runTiles computes all rows of the lanes that tiles have, from lane j on, in blocks of rows that are as equal as can be.
func (p *product[F]) runTiles(tiles []func(*tile), j int) {
	p.checkLengths()
	const size = int(unsafe.Sizeof(float32(0)))
	t := &p.tile
	*t = tile{
		b:    address(p.b, j),
		rowA: p.rowA * size, termA: p.termA * size, rowB: p.rowB * size, rowC: p.rowC * size, rowExtra: p.rowExtra * size,
		terms: p.terms, mode: p.mode, spans: max(p.spans.count, 1),
		skipA: (p.spans.a - p.terms*p.termA) * size, skipB: (p.spans.b - p.terms*p.rowB) * size,
		lr: float32(p.sgd.LR), shrink: float32(p.sgd.Shrink), decay: float32(p.sgd.Decay), momentum: float32(p.sgd.Momentum),
	}
	if t.early = p.soon * size; t.early == 0 {
		t.early = 2 * len(tiles) * t.rowC
	}
	tiles = tiles[:min(len(tiles), max(1, maxProducts/(panelWidth*t.terms*t.spans)))]
	count := (p.rows + len(tiles) - 1) / len(tiles)
	low, more := p.rows/count, p.rows%count
	if more > 0 {
		p.runBlocks(tiles[low], j, 0, more, low+1)
	}
	p.runBlocks(tiles[low-1], j, more*(low+1), count-more, low)
}

// runBlocks computes blocks of so many rows each, from row on and from lane j on.
func (p *product[F]) runBlocks(run func(*tile), j, row, blocks, rows int) {
	t := &p.tile
	most := max(1, maxProducts/(rows*panelWidth*p.terms*t.spans))
	for blocks > 0 {
		now := min(blocks, most)
		t.blocks, t.done = now, 0 // which may be counted there
		t.a, t.c = address(p.a, row*p.rowA), address(p.c, row*p.rowC+j)
		t.extra = t.c // what is asked for early must be somewhere
		if p.extra != nil {
			t.extra = address(p.extra, row*p.rowExtra+j)
		}
		if p.from != nil {
			t.from = uintptr(unsafe.Pointer(address(p.from, row*p.rowC+j)))
		}
		run(t)
		row += now * rows
		blocks -= now
	}
}

// checkLengths panics where assembly would leave a slice.
func (p *product[F]) checkLengths() {
	last := max(p.spans.count, 1) - 1
	_ = p.a[(p.rows-1)*p.rowA+last*p.spans.a+(p.terms-1)*p.termA]
	_ = p.b[last*p.spans.b+(p.terms-1)*p.rowB+p.lanes-1]
	_ = p.c[(p.rows-1)*p.rowC+p.lanes-1]
	if p.from != nil {
		_ = p.from[(p.rows-1)*p.rowC+p.lanes-1]
	}
	if p.mode != modeStore && p.mode != modePlain && p.mode != modeShrink {
		_ = p.extra[(p.rows-1)*p.rowExtra+p.lanes-1]
	}
}

// address is that of x[i]; F is float32.
func address[F Float](x []F, i int) *float32 { return (*float32)(unsafe.Pointer(&x[i])) }
