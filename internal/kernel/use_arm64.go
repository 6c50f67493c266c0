package kernel

// Every arm64 processor has NEON.
var neon = &implementation{name: "neon", run: runNEON, turn: turnNEON, turnMasked: turnMaskedNEON, peak: func(loops int) float64 {
	peakNEON(loops)
	return float64(loops * 24 * 4 * 2)
}}

// maxProducts bounds the multiply-adds of one call of assembly: 0.3 ms at 28 GFLOP/s, 0.7 ms on the slowest cores.
const maxProducts = 1 << 22

func implementations() []*implementation { return []*implementation{portable, neon} }

// runNEON goes from the last vectors of a row to the first: what it writes past a row's end is overwritten by the next
// row's first ones.
func runNEON(p *product[float32]) {
	end := p.lanes
	if end%16 != 0 {
		end -= 8
		p.runTiles(tilesNEONx2[:], end)
	}
	for ; end > 0; end -= 16 {
		p.runTiles(tilesNEONx4[:], end-16)
	}
}

func turnNEON(dst, src matrix[float32], rows, columns int) {
	_, _ = dst.x[(columns-1)*dst.row+rows-1], src.x[(rows-1)*src.row+columns-1]
	for i := 0; i < rows; i += 4 {
		transposeNEON(&dst.x[i], &src.x[i*src.row], dst.row*4, src.row*4, columns/4)
	}
}

func turnMaskedNEON(dst, mask, src matrix[float32], rows, columns int) {
	_, _ = dst.x[(columns-1)*dst.row+rows-1], src.x[(rows-1)*src.row+columns-1]
	_ = mask.x[(columns-1)*dst.row+rows-1]
	for i := 0; i < rows; i += 4 {
		m := maskedBlocks{&dst.x[i], &src.x[i*src.row], &mask.x[i], dst.row * 4, src.row * 4, columns / 4}
		transposeMaskNEON(&m)
	}
}
