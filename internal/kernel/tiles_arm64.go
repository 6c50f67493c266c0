package kernel

// tilesNEONx4 are the tiles of 16 lanes, by their rows less one.
var tilesNEONx4 = [...]func(*tile){tileNEONx4x1, tileNEONx4x2, tileNEONx4x3, tileNEONx4x4, tileNEONx4x5, tileNEONx4x6}

//go:noescape
func tileNEONx4x1(t *tile)

//go:noescape
func tileNEONx4x2(t *tile)

//go:noescape
func tileNEONx4x3(t *tile)

//go:noescape
func tileNEONx4x4(t *tile)

//go:noescape
func tileNEONx4x5(t *tile)

//go:noescape
func tileNEONx4x6(t *tile)

// tilesNEONx2 are the tiles of 8 lanes, by their rows less one.
var tilesNEONx2 = [...]func(*tile){tileNEONx2x1, tileNEONx2x2, tileNEONx2x3, tileNEONx2x4, tileNEONx2x5, tileNEONx2x6}

//go:noescape
func tileNEONx2x1(t *tile)

//go:noescape
func tileNEONx2x2(t *tile)

//go:noescape
func tileNEONx2x3(t *tile)

//go:noescape
func tileNEONx2x4(t *tile)

//go:noescape
func tileNEONx2x5(t *tile)

//go:noescape
func tileNEONx2x6(t *tile)

// transposeNEON transposes 4 rows of 4*blocks columns; rows are so many bytes apart.
//
//go:noescape
func transposeNEON(dst, src *float32, dstRow, srcRow, blocks int)

// maskedBlocks are what transposeMaskNEON takes: what transposeNEON does, and a mask whose rows are dstRow apart.
type maskedBlocks struct {
	dst, src, mask         *float32
	dstRow, srcRow, blocks int
}

// transposeMaskNEON does what transposeNEON does, but writes +0 where the mask is 0 or below.
//
//go:noescape
func transposeMaskNEON(m *maskedBlocks)

// peakNEON does loops times 24 independent fused multiply-adds of 4 lanes.
func peakNEON(loops int)
