package kernel

import "golang.org/x/sys/cpu"

var (
	avx2 = &implementation{name: "avx2", run: runAVX2, turn: turnAVX2, turnMasked: turnMaskedAVX2, pool: poolAVX2, poolGradient: poolGradientAVX2,
		columns: &columnsAVX2, rectify: rectifyAVX2, rectified: rectifiedAVX2, addFixed: fixedAVX2, largest: magnitudeAVX2, peak: func(loops int) float64 {
			peakAVX2(loops)
			return float64(loops * 12 * 8 * 2)
		}}
	avx512 = &implementation{name: "avx512", run: runAVX512, turn: turnAVX2, turnMasked: turnMaskedAVX2, pool: poolAVX2, poolGradient: poolGradientAVX2,
		columns: &columnsAVX2, rectify: rectifyAVX2, rectified: rectifiedAVX2, addFixed: fixedAVX2, largest: magnitudeAVX2, peak: func(loops int) float64 {
			peakAVX512(loops)
			return float64(loops * 16 * 16 * 2)
		}}
)

// maxProducts bounds the multiply-adds of one call of assembly: 0.3 ms at 110 GFLOP/s.
const maxProducts = 1 << 24

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

func turnAVX2(dst, src matrix[float32], rows, columns int) {
	_, _ = dst.x[(columns-1)*dst.row+rows-1], src.x[(rows-1)*src.row+columns-1]
	for i := 0; i < rows; i += 8 {
		transposeAVX2(&dst.x[i], &src.x[i*src.row], dst.row*4, src.row*4, columns/8, src.next*4)
	}
}

func turnMaskedAVX2(dst, mask, src matrix[float32], rows, columns int) {
	_, _ = dst.x[(columns-1)*dst.row+rows-1], src.x[(rows-1)*src.row+columns-1]
	_ = mask.x[(columns-1)*dst.row+rows-1]
	for i := 0; i < rows; i += 8 {
		transposeMaskAVX2(&dst.x[i], &src.x[i*src.row], &mask.x[i], dst.row*4, src.row*4, columns/8)
	}
}

func fixedAVX2(words []uint64, x []float32, weight, shift uint64) {
	_ = words[len(x)-1]
	addFixedAVX2(&words[0], &x[0], weight, shift, len(x)/4)
}

func magnitudeAVX2(x []float32) uint32 { return largestAVX2(&x[0], len(x)/32) }

func poolAVX2(y, from []float32, places []int32, w *Window) {
	_, _ = from[2*w.OutWidth*w.Channels+w.Width*w.Channels-1], places[len(y)-1]
	pool2AVX2(&y[0], &places[0], &from[0], w.Width*w.Channels*4, w.Channels/8, w.OutWidth)
}

func poolGradientAVX2(dx, dy, y []float32, places []int32, w *Window) {
	_, _ = dx[2*w.OutWidth*w.Channels+w.Width*w.Channels-1], places[len(dy)-1]
	unmasked := 0
	if y == nil {
		y, unmasked = dy, -1
	}
	_ = y[len(dy)-1]
	pool2GradientAVX2(&dx[0], &dy[0], &y[0], &places[0], w.Width*w.Channels*4, w.Channels/8, w.OutWidth, unmasked)
}

var columnsAVX2 = columnKernels{columnsSumAVX2, columnsSquaresAVX2, columnsNormaliseAVX2, columnsGradientsAVX2, columnsBackAVX2}

// vectorsAtOnce bounds the vectors of one call of reluAVX2 or its gradient.
const vectorsAtOnce = 1 << 16

func rectifyAVX2(x []float32) {
	for at := 0; at < len(x); at += 8 * vectorsAtOnce {
		reluAVX2(&x[at], min(len(x)-at, 8*vectorsAtOnce)/8)
	}
}

func rectifiedAVX2(d, y []float32) {
	_ = d[len(y)-1]
	for at := 0; at < len(y); at += 8 * vectorsAtOnce {
		reluGradientAVX2(&d[at], &y[at], min(len(y)-at, 8*vectorsAtOnce)/8)
	}
}
