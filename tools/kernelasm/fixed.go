package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// constant returns a vector of four equal words.
func constant(value uint64) reg.VecVirtual {
	word, v := GP64(), YMM()
	MOVQ(operand.U64(value), word)
	return spread(word, v)
}

func spread(word reg.Register, v reg.VecVirtual) reg.VecVirtual {
	low := XMM()
	VMOVQ(word, low)
	VPBROADCASTQ(low, v)
	return v
}

// writeAddFixed writes the sum of numbers times a weight on a fixed-point grid: addFixed in internal/kernel/fixed.go, whose
// steps these are, four numbers at a time.
func writeAddFixed() {
	TEXT("addFixedAVX2", NOSPLIT, "func(words *uint64, x *float32, weight, shift uint64, quads int)")
	words, x := Load(Param("words"), GP64()), Load(Param("x"), GP64())
	weight, high := Load(Param("weight"), GP64()), GP64()
	MOVQ(weight, high)
	SHRQ(operand.Imm(32), high)
	low, upper := spread(weight, YMM()), spread(high, YMM())
	shift := spread(Load(Param("shift"), GP64()), YMM())
	quads := Load(Param("quads"), GP64())
	fraction, exponents, hidden, one := constant(1<<23-1), constant(0xff), constant(1<<23), constant(1)
	zero := YMM()
	avx2.zero(zero)

	Label("quad")
	b, exp, m := YMM(), YMM(), YMM()
	VPMOVZXDQ(operand.Mem{Base: x}, b)
	VPSRLQ(operand.Imm(23), b, exp)
	VPAND(exponents, exp, exp)
	VPAND(fraction, b, m)
	subnormal, implicit := YMM(), YMM()
	VPCMPEQQ(zero, exp, subnormal)
	VPANDN(hidden, subnormal, implicit)
	VPOR(implicit, m, m)
	VPSUBQ(subnormal, exp, exp) // 1 for 0

	v, top := YMM(), YMM()
	VPMULUDQ(low, m, v)
	VPMULUDQ(upper, m, top)
	VPSRLQ(operand.Imm(10), v, v)
	VPSLLQ(operand.Imm(22), top, top)
	VPADDQ(top, v, v)
	left := YMM()
	VPSUBQ(exp, shift, left)
	VPSRLVQ(left, v, v)
	VPADDQ(one, v, v)
	VPSRLQ(operand.Imm(1), v, v)

	sign := YMM()
	VPSRLQ(operand.Imm(31), b, sign)
	VPSUBQ(sign, zero, sign) // all ones for negative numbers
	VPXOR(sign, v, v)
	VPSUBQ(sign, v, v)
	VPADDQ(operand.Mem{Base: words}, v, v)
	VMOVDQU(v, operand.Mem{Base: words})
	ADDQ(operand.Imm(16), x)
	ADDQ(operand.Imm(32), words)
	DECQ(quads)
	JNE(operand.LabelRef("quad"))
	VZEROUPPER()
	RET()
}

// writeLargest writes the maximum of magnitudes as bits, of whole vectors of 8, at least 4 of them and a multiple of 4.
func writeLargest() {
	TEXT("largestAVX2", NOSPLIT, "func(x *float32, blocks int) uint32")
	x, blocks := Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	magnitude := constant(0x7fffffff7fffffff)
	largest := make([]reg.VecVirtual, 4)
	for i := range largest {
		largest[i] = YMM()
		avx2.zero(largest[i])
	}
	Label("largest")
	for i, m := range largest {
		bits := YMM()
		VPAND(operand.Mem{Base: x, Disp: 32 * i}, magnitude, bits)
		VPMAXUD(bits, m, m)
	}
	ADDQ(operand.Imm(128), x)
	DECQ(blocks)
	JNE(operand.LabelRef("largest"))
	VPMAXUD(largest[1], largest[0], largest[0])
	VPMAXUD(largest[3], largest[2], largest[2])
	VPMAXUD(largest[2], largest[0], largest[0])
	half, swapped := XMM(), XMM()
	VEXTRACTI128(operand.Imm(1), largest[0], half)
	VPMAXUD(half, largest[0].AsX(), half)
	for _, order := range []uint64{0x4e, 0xb1} { // the other half, the neighbour
		VPSHUFD(operand.Imm(order), half, swapped)
		VPMAXUD(swapped, half, half)
	}
	result := GP32()
	VMOVD(half, result)
	VZEROUPPER()
	Store(result, ReturnIndex(0))
	RET()
}
