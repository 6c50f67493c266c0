package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Predicates of comparisons, all of them quiet.
const (
	unordered    = 3
	notLessEqual = 6
	greater      = 30
)

// window walks over windows of 2x2: x points to their upper left, below to their lower left pixels.
type window struct {
	x, below, pixel, vectors reg.GPVirtual
}

// place is that of the vector at hand in one of the pixels.
func (w *window) place(i int) operand.Mem {
	m := operand.Mem{Base: w.x}
	if i >= 2 {
		m.Base = w.below
	}
	if i%2 == 1 {
		m.Index, m.Scale = w.pixel, 1
	}
	return m
}

// newWindow loads where the windows begin.
func newWindow(x reg.Register) *window {
	w := &window{x: GP64(), below: GP64(), pixel: GP64(), vectors: GP64()}
	MOVQ(x, w.x)
	Load(Param("row"), w.below)
	ADDQ(w.x, w.below)
	Load(Param("vectors"), w.vectors)
	MOVQ(w.vectors, w.pixel)
	SHLQ(operand.Imm(5), w.pixel)
	return w
}

// each writes the loops around what is done to a vector of a window; beside are pointers that go on with the outputs.
func (w *window) each(body func(), beside ...reg.Register) {
	pixels := Load(Param("pixels"), GP64())
	Label("pixel")
	left := GP64()
	MOVQ(w.vectors, left)
	Label("vector")
	body()
	for _, p := range append(beside, w.x, w.below) {
		ADDQ(operand.Imm(32), p)
	}
	DECQ(left)
	JNE(operand.LabelRef("vector"))
	ADDQ(w.pixel, w.x) // the second column
	ADDQ(w.pixel, w.below)
	DECQ(pixels)
	JNE(operand.LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// counts returns vectors of 0, 1, 2 and 3.
func counts() (c [4]reg.VecVirtual) {
	for i := range c {
		n, x := GP32(), XMM()
		MOVL(operand.U32(i), n)
		VMOVD(n, x)
		c[i] = YMM()
		VPBROADCASTD(x, c[i])
	}
	return c
}

func writePool() {
	TEXT("pool2AVX2", NOSPLIT, "func(y *float32, places *int32, x *float32, row, vectors, pixels int)")
	Doc("pool2AVX2 takes the largest of windows of 2x2 over vectors of 8 channels.")
	w := newWindow(Load(Param("x"), GP64()))
	y, places := Load(Param("y"), GP64()), Load(Param("places"), GP64())
	count := counts()
	w.each(func() {
		best, place := YMM(), YMM()
		VMOVUPS(w.place(0), best)
		VMOVUPS(count[0], place)
		for i := 1; i < 4; i++ {
			v, larger, no := YMM(), YMM(), YMM()
			VMOVUPS(w.place(i), v)
			VCMPPS(operand.Imm(greater), best, v, larger)
			VCMPPS(operand.Imm(unordered), v, v, no)
			VORPS(no, larger, larger)
			VBLENDVPS(larger, v, best, best)
			VBLENDVPS(larger, count[i], place, place)
		}
		VMOVUPS(best, operand.Mem{Base: y})
		VMOVUPS(place, operand.Mem{Base: places})
	}, y, places)
}

func writePoolGradient() {
	TEXT("pool2GradientAVX2", NOSPLIT, "func(dx, dy, y *float32, places *int32, row, vectors, pixels, unmasked int)")
	Doc("pool2GradientAVX2 gives each gradient to the place of the window's largest.")
	w := newWindow(Load(Param("dx"), GP64()))
	dy, y, places := Load(Param("dy"), GP64()), Load(Param("y"), GP64()), Load(Param("places"), GP64())
	all, x := YMM(), XMM()
	VMOVQ(Load(Param("unmasked"), GP64()), x)
	VPBROADCASTQ(x, all)
	zero, count := YMM(), counts()
	VXORPS(zero, zero, zero)
	w.each(func() {
		d, place, mask := YMM(), YMM(), YMM()
		VMOVUPS(operand.Mem{Base: y}, mask)
		VCMPPS(operand.Imm(notLessEqual), zero, mask, mask)
		VORPS(all, mask, mask)
		VANDPS(operand.Mem{Base: dy}, mask, d)
		VMOVUPS(operand.Mem{Base: places}, place)
		for i := range 4 {
			here := YMM()
			VPCMPEQD(count[i], place, here)
			VANDPS(d, here, here)
			VMOVUPS(here, w.place(i))
		}
	}, dy, y, places)
}
