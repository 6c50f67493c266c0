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
}
