package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// finish does with the sums what the mode says, and moves c and extra on to the next block.
func (t *tile) finish() {
	rowC, rowExtra, mode := GP64(), GP64(), GP64()
	MOVQ(t.at(fieldRowC), rowC)
	MOVQ(t.at(fieldRowExtra), rowExtra)
	MOVQ(t.at(fieldMode), mode)
	for _, m := range []struct {
		mode  int
		label string
	}{{modePlain, "plain"}, {modeMomentum, "momentum"}, {modeShrink, "shrink"}, {modeReLU, "relu"}, {modeMask, "mask"}, {modeBias, "bias"}, {modeNesterov, "nesterov"}} {
		CMPQ(mode, operand.U32(m.mode))
		JEQ(operand.LabelRef(m.label))
	}
	t.eachSum(rowC, rowExtra, func(reg.VecVirtual, int) {})
	JMP(operand.LabelRef("done"))
	t.outputs(rowC, rowExtra)
	t.updates(rowC, rowExtra)
	Label("done")
}

// eachSum calls change for each sum (with its vector's place in bytes) and stores it.
func (t *tile) eachSum(rowC, rowExtra reg.GPVirtual, change func(sum reg.VecVirtual, place int)) {
	for r := range t.sums {
		for v, sum := range t.sums[r] {
			change(sum, v*t.isa.bytes)
			VMOVUPS(sum, operand.Mem{Base: t.c, Disp: v * t.isa.bytes})
		}
		ADDQ(rowC, t.c)
		ADDQ(rowExtra, t.extra)
	}
}

// outputs writes the modes of forward products and input gradients.
func (t *tile) outputs(rowC, rowExtra reg.GPVirtual) {
	extra := func(place int) operand.Mem { return operand.Mem{Base: t.extra, Disp: place} }
	Label("bias")
	t.eachSum(rowC, rowExtra, func(sum reg.VecVirtual, place int) { VADDPS(extra(place), sum, sum) })
	JMP(operand.LabelRef("done"))

	Label("relu")
	zero := t.isa.vector()
	t.isa.zero(zero)
	t.eachSum(rowC, rowExtra, func(sum reg.VecVirtual, place int) {
		VADDPS(extra(place), sum, sum)
		VMAXPS(sum, zero, sum) // NaN and -0 are those of the last source: the sum
	})
	JMP(operand.LabelRef("done"))

	Label("mask")
	zero = t.isa.vector()
	t.isa.zero(zero)
	t.eachSum(rowC, rowExtra, func(sum reg.VecVirtual, place int) { t.isa.keepPositive(sum, zero, extra(place)) })
	JMP(operand.LabelRef("done"))
}

func (t *tile) factor(field int) reg.VecVirtual {
	v := t.isa.vector()
	VBROADCASTSS(t.at(field), v)
	return v
}

// updates writes the modes of weight gradients: C are weights, extra their velocities.
func (t *tile) updates(rowC, rowExtra reg.GPVirtual) {
	Label("plain")
	lr := t.factor(fieldLR)
	t.eachSum(rowC, rowExtra, func(sum reg.VecVirtual, place int) {
		VFNMADD213PS(operand.Mem{Base: t.c, Disp: place}, lr, sum)
	})
	JMP(operand.LabelRef("done"))

	Label("shrink")
	lr, shrink := t.factor(fieldLR), t.factor(fieldShrink)
	t.eachSum(rowC, rowExtra, func(sum reg.VecVirtual, place int) {
		w, less := t.isa.vector(), t.isa.vector()
		VMOVUPS(operand.Mem{Base: t.c, Disp: place}, w)
		VMOVAPS(w, less)
		VFNMADD213PS(w, shrink, less)
		VFNMADD213PS(less, lr, sum)
	})
	JMP(operand.LabelRef("done"))

	for _, nesterov := range []bool{false, true} {
		if nesterov {
			Label("nesterov")
		} else {
			Label("momentum")
		}
		t.heavy(rowC, rowExtra, nesterov)
		if !nesterov {
			JMP(operand.LabelRef("done"))
		}
	}
}

// heavy writes the update by velocities.
func (t *tile) heavy(rowC, rowExtra reg.GPVirtual, nesterov bool) {
	f := factors{lr: t.factor(fieldLR), decay: t.factor(fieldDecay), momentum: t.factor(fieldMomentum)}
	for r := range t.sums {
		for v, sum := range t.sums[r] {
			place := v * t.isa.bytes
			t.heavySum(sum, f, place, nesterov)
			VMOVUPS(sum, operand.Mem{Base: t.c, Disp: place})
		}
		ADDQ(rowC, t.c)
		ADDQ(rowExtra, t.extra)
	}
}

// factors are those of an update by velocities. With one vector more they are all that fits beside the sums.
type factors struct{ lr, decay, momentum reg.VecVirtual }

// heavySum turns a gradient into the new weight and stores the new velocity.
func (t *tile) heavySum(g reg.VecVirtual, f factors, place int, nesterov bool) {
	weight, velocity := operand.Mem{Base: t.c, Disp: place}, operand.Mem{Base: t.extra, Disp: place}
	VFMADD231PS(weight, f.decay, g) // g += decay*w
	if nesterov {
		next := t.isa.vector()
		VMOVUPS(velocity, next)
		VFMADD213PS(g, f.momentum, next) // v = momentum*v + g
		VMOVUPS(next, velocity)
		VFMADD231PS(next, f.momentum, g) // g += momentum*v
	} else {
		VFMADD231PS(velocity, f.momentum, g)
		VMOVUPS(g, velocity)
	}
	VFNMADD213PS(weight, f.lr, g) // w - lr*g
}
