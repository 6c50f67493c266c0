package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// writeTranspose writes the transposition of 8 rows by 8*blocks columns, as it is or with a mask for what it writes.
func writeTranspose(masked bool) {
	name, args := "transposeAVX2", "dst, src *float32, dstRow, srcRow, blocks, ahead int"
	if masked {
		name, args = "transposeMaskAVX2", "dst, src, mask *float32, dstRow, srcRow, blocks int"
	}
	TEXT(name, NOSPLIT, "func("+args+")")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	dstRow, srcRow := Load(Param("dstRow"), GP64()), Load(Param("srcRow"), GP64())
	blocks := Load(Param("blocks"), GP64())
	mask, ahead, zero := GP64(), GP64(), YMM()
	if masked {
		Load(Param("mask"), mask)
		avx2.zero(zero)
	} else {
		Load(Param("ahead"), ahead)
	}
	Label("block")
	in := make([]reg.VecVirtual, 8)
	from := GP64()
	MOVQ(src, from)
	for i := range in {
		in[i] = YMM()
		VMOVUPS(operand.Mem{Base: from}, in[i])
		if !masked {
			PREFETCHT0(operand.Mem{Base: from, Index: ahead, Scale: 1})
		}
		ADDQ(srcRow, from)
	}
	for _, row := range transposed(in) {
		if masked {
			avx2.keepPositive(row, zero, operand.Mem{Base: mask})
			ADDQ(dstRow, mask)
		}
		VMOVUPS(row, operand.Mem{Base: dst})
		ADDQ(dstRow, dst)
	}
	ADDQ(operand.Imm(32), src)
	DECQ(blocks)
	JNE(operand.LabelRef("block"))
	VZEROUPPER()
	RET()
}

// transposed returns the columns of 8 rows of 8.
func transposed(in []reg.VecVirtual) []reg.VecVirtual {
	pairs := make([]reg.VecVirtual, 8)
	for i := 0; i < 8; i += 2 {
		pairs[i], pairs[i+1] = YMM(), YMM()
		VUNPCKLPS(in[i+1], in[i], pairs[i])
		VUNPCKHPS(in[i+1], in[i], pairs[i+1])
	}
	quads := make([]reg.VecVirtual, 8)
	for i := 0; i < 8; i += 4 {
		for j := range 4 {
			quads[i+j] = YMM()
			half := operand.Imm(uint64(0x44 + j%2*0xaa))
			VSHUFPS(half, pairs[i+2+j/2], pairs[i+j/2], quads[i+j])
		}
	}
	out := make([]reg.VecVirtual, 8)
	for j := range 4 {
		out[j], out[4+j] = YMM(), YMM()
		VPERM2F128(operand.Imm(0x20), quads[4+j], quads[j], out[j])
		VPERM2F128(operand.Imm(0x31), quads[4+j], quads[j], out[4+j])
	}
	return out
}

// writePeak writes a loop of independent multiply-adds.
func writePeak(i isa, registers int) {
	name := "peak" + i.name
	TEXT(name, NOSPLIT, "func(loops int)")
	Doc(fmt.Sprintf("%s does loops times %d independent fused multiply-adds of %d lanes.", name, registers, i.bytes/4))
	loops := Load(Param("loops"), GP64())
	factor := i.vector()
	i.zero(factor)
	sums := make([]reg.VecVirtual, registers)
	for r := range sums {
		sums[r] = i.vector()
		i.zero(sums[r])
	}
	if registers > 15 && !i.wide() {
		panic("too many registers")
	}
	Label("loop")
	for _, s := range sums {
		VFMADD231PS(factor, factor, s)
	}
	DECQ(loops)
	JNE(operand.LabelRef("loop"))
	VZEROUPPER()
	RET()
}
