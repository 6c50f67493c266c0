package kernel

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// implementation is a way to compute products.
type implementation struct {
	name string
	run  func(*product[float32])                           // nil: the portable twin
	turn func(dst, src matrix[float32], rows, columns int) // transposes whole blocks of 8x8; nil as above
	// turnMasked is turn with +0 where mask, laid out like dst, is 0 or below; nil as above.
	turnMasked func(dst, mask, src matrix[float32], rows, columns int)
	// pool and poolGradient do a line of a pool that Window.halves: as MaxPool and MaxPoolGradient, where y may be nil.
	pool         func(y, from []float32, places []int32, w *Window)
	poolGradient func(dx, dy, y []float32, places []int32, w *Window)

	columns   *columnKernels       // nil as above
	rectify   func(x []float32)    // ReLU of slope 0 of whole vectors of 8; nil as above
	rectified func(d, y []float32) // and its gradient

	// addFixed is addFixed for whole vectors of 4, largest returns the largest magnitude of whole blocks of 32; nil as above.
	addFixed func(words []uint64, x []float32, weight, shift uint64)
	largest  func(x []float32) uint32

	peak func(loops int) (operations float64) // does independent multiply-adds
}

var portable = &implementation{name: "portable", peak: peakPortable}

// inUse is the choice among implementations. It changes no result, which is why it may be one for the process.
var inUse atomic.Pointer[implementation]

func init() {
	all := implementations()
	inUse.Store(all[len(all)-1])
}

// Available returns the names of the kernels that this machine can run, the slowest first: portable, then avx2 and avx512
// on amd64 with these features, neon on arm64.
func Available() []string { return names(implementations()) }

func names(all []*implementation) []string {
	var names []string
	for _, i := range all {
		names = append(names, i.name)
	}
	return names
}

// InUse returns the name of the kernel in use: at first the last of Available.
func InUse() string { return inUse.Load().name }

// Use chooses the kernel for the process from now on. No result depends on it, unless this build has a kernel that sums in
// another order (see Reordered) and that one is named.
func Use(name string) error {
	all := append(implementations(), onRequest()...)
	i := slices.IndexFunc(all, func(i *implementation) bool { return i.name == name })
	if i < 0 {
		return fmt.Errorf("kernel %q: this machine has %s", name, strings.Join(names(all), ", "))
	}
	inUse.Store(all[i])
	return nil
}

// Peak does a fixed amount of independent float32 multiply-adds, enough to hide their latency, in the widest form of the
// kernel in use, and returns how many floating point operations that was: two for each. It takes well under a
// millisecond; its caller has the clock.
func Peak() (operations float64) { return inUse.Load().peak(1 << 14) }

// peakPortable counts what the portable twin does.
func peakPortable(loops int) float64 {
	var sums, b [32]float32
	for range loops / 64 {
		addProducts32(sums[:], b[:], 0)
	}
	return float64(loops / 64 * len(sums) * 2)
}
