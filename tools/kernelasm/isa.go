package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

const cacheLine = 64 // bytes

// isa is a width of vectors with the instructions that differ between widths.
type isa struct {
	name  string
	bytes int // of one vector
}

var (
	avx2   = isa{"AVX2", 32}
	avx512 = isa{"AVX512", 64}
)

func (i isa) wide() bool { return i.bytes == 64 }

func (i isa) vector() reg.VecVirtual {
	if i.wide() {
		return ZMM()
	}
	return YMM()
}

func (i isa) zero(v reg.VecVirtual) {
	if !i.wide() {
		VXORPS(v, v, v)
		return
	}
	clear, err := x86.VPXORD(v, v, v)
	if err != nil {
		panic(err)
	}
	clear.CancellingInputs = true // avo does not know that what v had does not matter
	Instruction(clear)
}

// addProduct adds to each of sums its vector of b times the number at a, which is loaded once: the processor multiplies as
// fast as it loads, and b and what is asked for early have to be loaded too.
func (i isa) addProduct(sums, b []reg.VecVirtual, a operand.Mem) {
	if i.wide() && len(sums) == 1 {
		VFMADD231PS_BCST(a, b[0], sums[0])
		return
	}
	factor := i.vector()
	VBROADCASTSS(a, factor)
	for v := range sums {
		VFMADD231PS(b[v], factor, sums[v])
	}
}

// keepPositive replaces v by +0 where the numbers at y are 0 or below.
func (i isa) keepPositive(v, zero reg.VecVirtual, y operand.Mem) {
	wanted := operand.Imm(notLessEqual)
	load := i.vector()
	VMOVUPS(y, load)
	if i.wide() {
		mask := K()
		VCMPPS(wanted, zero, load, mask)
		VMOVAPS_Z(v, mask, v)
		return
	}
	VCMPPS(wanted, zero, load, load)
	VANDPS(load, v, v)
}
