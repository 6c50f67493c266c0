package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The offsets of struct columns' fields.
const (
	columnsX, columnsHat, columnsY = 0, 8, 16
	columnsA, columnsB, columnsC   = 24, 32, 40
	columnsWeight, columnsBias     = 48, 56
	columnsRows, columnsStride     = 64, 72
	doubles                        = 4 // in a vector
)

// pair is 8 numbers in float64.
type pair [2]reg.VecVirtual

// columnLoop is a function over rows being written.
type columnLoop struct {
	args      reg.GPVirtual
	x, hat, y reg.GPVirtual
}

// columnFunction writes a function: begin loads what body, which does a row, needs, and end stores it.
func columnFunction(name string, body func(c *columnLoop) (row, end func())) {
	TEXT(name+"AVX2", NOSPLIT, "func(c *float32)")
	c := &columnLoop{args: GP64(), x: GP64(), hat: GP64(), y: GP64()}
	Load(Param("c"), c.args)
	MOVQ(c.field(columnsX), c.x)
	MOVQ(c.field(columnsHat), c.hat)
	MOVQ(c.field(columnsY), c.y)
	rows, stride := GP64(), GP64()
	MOVQ(c.field(columnsRows), rows)
	MOVQ(c.field(columnsStride), stride)
	row, end := body(c)
	Label("row")
	row()
	for _, p := range []reg.GPVirtual{c.x, c.hat, c.y} {
		ADDQ(stride, p)
	}
	DECQ(rows)
	JNE(operand.LabelRef("row"))
	end()
	VZEROUPPER()
	RET()
}

func (c *columnLoop) field(offset int) operand.Mem { return operand.Mem{Base: c.args, Disp: offset} }

// place is where a field points to, i doubles further.
func (c *columnLoop) place(field, i int) operand.Mem {
	p := GP64()
	MOVQ(c.field(field), p)
	return operand.Mem{Base: p, Disp: 8 * i}
}

// numbers loads the features' numbers of a field.
func (c *columnLoop) numbers(field int) (n pair) {
	for i := range n {
		n[i] = YMM()
		VMOVUPD(c.place(field, doubles*i), n[i])
	}
	return n
}

// keep writes the function that stores sums.
func (c *columnLoop) keep(sums map[int]pair) func() {
	return func() {
		for _, field := range []int{columnsA, columnsB} {
			if n, ok := sums[field]; ok {
				for i := range n {
					VMOVUPD(n[i], c.place(field, doubles*i))
				}
			}
		}
	}
}

// wide loads float32 as float64.
func wide(from reg.GPVirtual, i int) reg.VecVirtual {
	v := YMM()
	VCVTPS2PD(operand.Mem{Base: from, Disp: 16 * i}, v)
	return v
}

// narrow rounds v to float32 and stores it.
func narrow(v reg.VecVirtual, to reg.GPVirtual, i int) reg.VecVirtual {
	f := XMM()
	VCVTPD2PSY(v, f)
	VMOVUPS(f, operand.Mem{Base: to, Disp: 16 * i})
	return f
}

func nothing() {}

// writeColumns writes the methods of Columns: see there for what they compute.
func writeColumns() {
	columnFunction("columnsSum", func(c *columnLoop) (row, end func()) {
		a := c.numbers(columnsA)
		return func() {
			for i := range a {
				VADDPD(wide(c.x, i), a[i], a[i])
			}
		}, c.keep(map[int]pair{columnsA: a})
	})
	columnFunction("columnsSquares", func(c *columnLoop) (row, end func()) {
		a, mean := c.numbers(columnsA), c.numbers(columnsB)
		return func() {
			for i := range a {
				d := wide(c.x, i)
				VSUBPD(mean[i], d, d)
				VMULPD(d, d, d)
				VADDPD(d, a[i], a[i])
			}
		}, c.keep(map[int]pair{columnsA: a})
	})
	columnFunction("columnsNormalise", func(c *columnLoop) (row, end func()) {
		mean, inverse := c.numbers(columnsA), c.numbers(columnsB)
		var weight, bias pair
		for i := range weight {
			weight[i], bias[i] = XMM(), XMM()
			VMOVUPS(c.place(columnsWeight, 2*i), weight[i])
			VMOVUPS(c.place(columnsBias, 2*i), bias[i])
		}
		return func() {
			for i := range mean {
				d := wide(c.x, i)
				VSUBPD(mean[i], d, d)
				VMULPD(inverse[i], d, d)
				hat := narrow(d, c.hat, i)
				VMULPS(weight[i], hat, hat)
				VADDPS(bias[i], hat, hat)
				VMOVUPS(hat, operand.Mem{Base: c.y, Disp: 16 * i})
			}
		}, nothing
	})
	writeColumnGradients()
}

func writeColumnGradients() {
	columnFunction("columnsGradients", func(c *columnLoop) (row, end func()) {
		a, b := c.numbers(columnsA), c.numbers(columnsB)
		return func() {
			for i := range a {
				d := wide(c.x, i)
				VADDPD(d, a[i], a[i])
				VMULPD(wide(c.hat, i), d, d)
				VADDPD(d, b[i], b[i])
			}
		}, c.keep(map[int]pair{columnsA: a, columnsB: b})
	})
	columnFunction("columnsBack", func(c *columnLoop) (row, end func()) {
		a, b, factor := c.numbers(columnsA), c.numbers(columnsB), c.numbers(columnsC)
		return func() {
			for i := range a {
				hat, d := wide(c.hat, i), wide(c.x, i)
				VMULPD(b[i], hat, hat)
				VADDPD(a[i], hat, hat)
				VSUBPD(hat, d, d)
				VMULPD(factor[i], d, d)
				narrow(d, c.y, i)
			}
		}, nothing
	})
}

// writeReLU writes ReLU of slope 0 and its gradient.
func writeReLU() {
	TEXT("reluAVX2", NOSPLIT, "func(x *float32, vectors int)")
	Doc("reluAVX2 replaces what is 0 or below by +0; NaN stays.")
	x := Load(Param("x"), GP64()).(reg.GPVirtual)
	rectify(x, x)
	TEXT("reluGradientAVX2", NOSPLIT, "func(d, y *float32, vectors int)")
	Doc("reluGradientAVX2 replaces d by +0 where y is 0 or below.")
	rectify(Load(Param("d"), GP64()).(reg.GPVirtual), Load(Param("y"), GP64()).(reg.GPVirtual))
}

// rectify writes a loop that keeps d where y is positive or NaN.
func rectify(d, y reg.GPVirtual) {
	vectors := Load(Param("vectors"), GP64())
	zero := YMM()
	VXORPS(zero, zero, zero)
	Label("vector")
	v := YMM()
	VMOVUPS(operand.Mem{Base: d}, v)
	avx2.keepPositive(v, zero, operand.Mem{Base: y})
	VMOVUPS(v, operand.Mem{Base: d})
	ADDQ(operand.Imm(32), d)
	if d != y {
		ADDQ(operand.Imm(32), y)
	}
	DECQ(vectors)
	JNE(operand.LabelRef("vector"))
	VZEROUPPER()
	RET()
}
