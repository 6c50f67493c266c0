package kernel

// tile is a product as assembly takes it: blocks of rows, with as many rows and lanes as the function called has.
// Distances are in bytes. tools/kernelasm knows the offsets of its fields; tiles_arm64.s takes them from the compiler.
type tile struct {
	a, b, c        *float32
	rowA, termA    int
	rowB, rowC     int
	terms, blocks  int // at least 1
	extra          *float32
	rowExtra, mode int

	lr, shrink, decay, momentum float32

	spans        int     // at least 1: the terms come so many times,
	from         uintptr // 0, or where the sums go on from, in rows like those of c
	skipA, skipB int     // after each span a and b move on by these

	// Of amd64 alone.
	done int // bytes between a and the next block, 0 at first
	//lint:ignore U1000 assembly counts in it
	left  int // spans that the block has left
	early int // what an update is to ask for early lies so far behind c
}
