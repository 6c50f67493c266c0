package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The offsets of struct tile's fields.
const (
	fieldA, fieldB, fieldC       = 0, 8, 16
	fieldRowA, fieldTermA        = 24, 32
	fieldRowB, fieldRowC         = 40, 48
	fieldTerms, fieldBlocks      = 56, 64
	fieldExtra, fieldRowExtra    = 72, 80
	fieldMode                    = 88
	fieldLR, fieldShrink         = 96, 100
	fieldDecay, fieldMomentum    = 104, 108
	fieldSpans, fieldFrom        = 112, 120
	fieldSkipA, fieldSkipB       = 128, 136
	modeBias, modeReLU, modeMask = 1, 2, 3
	modePlain, modeShrink        = 4, 5
	modeMomentum, modeNesterov   = 6, 7
	rowsPerPointer               = 5
)

// tile is a tile function being written.
type tile struct {
	isa           isa
	vectors, rows int
	args          reg.GPVirtual // points to the arguments
	a, c, extra   reg.GPVirtual // the block of rows that is computed
	sums          [][]reg.VecVirtual
}

func writeTile(i isa, vectors, rows int) {
	name := shape{isa: i, vectors: vectors}.function(rows)
	TEXT(name, NOSPLIT, "func(t *float32)")
	Doc(fmt.Sprintf("%s computes blocks of %d rows by %d lanes.", name, rows, vectors*i.bytes/4))
	t := &tile{isa: i, vectors: vectors, rows: rows, args: GP64(), a: GP64(), c: GP64(), extra: GP64()}
	Load(Param("t"), t.args)
	MOVQ(t.at(fieldA), t.a)
	MOVQ(t.at(fieldC), t.c)
	MOVQ(t.at(fieldExtra), t.extra)
	Label("block")
	t.prefetch()
	t.sum()
	t.finish()
	t.nextBlock()
	DECQ(t.at(fieldBlocks))
	JNE(operand.LabelRef("block"))
	VZEROUPPER()
	RET()
}

func (t *tile) at(field int) operand.Mem { return operand.Mem{Base: t.args, Disp: field} }

// prefetch asks for the weights and velocities that a step with momentum is going to change: when their turn comes, they
// are there. (Weights alone come soon enough.)
func (t *tile) prefetch() {
	mode := GP64()
	MOVQ(t.at(fieldMode), mode)
	CMPQ(mode, operand.U32(modeMomentum))
	JLT(operand.LabelRef("fetched"))
	t.prefetchRows(t.c, fieldRowC)
	t.prefetchRows(t.extra, fieldRowExtra)
	Label("fetched")
}

func (t *tile) prefetchRows(first reg.GPVirtual, distance int) {
	at, step := GP64(), GP64()
	MOVQ(first, at)
	MOVQ(t.at(distance), step)
	for range t.rows {
		for place := 0; place < t.vectors*t.isa.bytes; place += cacheLine {
			PREFETCHT0(operand.Mem{Base: at, Disp: place})
		}
		ADDQ(step, at)
	}
}

// sum leaves the block's sums in t.sums.
func (t *tile) sum() {
	stride, triple, step, stepB := GP64(), GP64(), GP64(), GP64()
	MOVQ(t.at(fieldRowA), stride)
	LEAQ(operand.Mem{Base: stride, Index: stride, Scale: 2}, triple)
	MOVQ(t.at(fieldTermA), step)
	MOVQ(t.at(fieldRowB), stepB)
	t.start()
	pointers := t.rowPointers(stride)
	b, terms, spans := GP64(), GP64(), GP64()
	MOVQ(t.at(fieldB), b)
	MOVQ(t.at(fieldSpans), spans)
	Label("span")
	MOVQ(t.at(fieldTerms), terms)
	Label("term")
	row := t.vectorRow()
	for v := range row {
		VMOVUPS(operand.Mem{Base: b, Disp: v * t.isa.bytes}, row[v])
	}
	for r := range t.sums {
		t.isa.addProduct(t.sums[r], row, rowOf(r, pointers, stride, triple))
	}
	for _, p := range pointers {
		ADDQ(step, p)
	}
	ADDQ(stepB, b)
	DECQ(terms)
	JNE(operand.LabelRef("term"))
	for _, p := range pointers {
		ADDQ(t.at(fieldSkipA), p)
	}
	ADDQ(t.at(fieldSkipB), b)
	DECQ(spans)
	JNE(operand.LabelRef("span"))
}

// start sets the sums to zero, or to what they go on from.
func (t *tile) start() {
	t.sums = make([][]reg.VecVirtual, t.rows)
	for r := range t.sums {
		t.sums[r] = t.vectorRow()
		for _, v := range t.sums[r] {
			t.isa.zero(v)
		}
	}
	from := GP64()
	MOVQ(t.at(fieldFrom), from)
	TESTQ(from, from)
	JEQ(operand.LabelRef("started"))
	for r := range t.sums {
		for v, sum := range t.sums[r] {
			VMOVUPS(operand.Mem{Base: from, Disp: v * t.isa.bytes}, sum)
		}
		ADDQ(t.at(fieldRowC), from)
	}
	MOVQ(from, t.at(fieldFrom))
	Label("started")
}

func (t *tile) vectorRow() []reg.VecVirtual {
	row := make([]reg.VecVirtual, t.vectors)
	for v := range row {
		row[v] = t.isa.vector()
	}
	return row
}

// rowPointers returns pointers to every fifth row of A: addresses reach the four that follow.
func (t *tile) rowPointers(stride reg.GPVirtual) []reg.GPVirtual {
	p := GP64()
	MOVQ(t.a, p)
	pointers := []reg.GPVirtual{p}
	for r := rowsPerPointer; r < t.rows; r += rowsPerPointer {
		next := GP64()
		LEAQ(operand.Mem{Base: pointers[len(pointers)-1], Index: stride, Scale: 4}, next)
		ADDQ(stride, next)
		pointers = append(pointers, next)
	}
	return pointers
}

func rowOf(r int, pointers []reg.GPVirtual, stride, triple reg.GPVirtual) operand.Mem {
	m := operand.Mem{Base: pointers[r/rowsPerPointer]}
	switch k := r % rowsPerPointer; k {
	case 0:
	case 3:
		m.Index, m.Scale = triple, 1
	default:
		m.Index, m.Scale = stride, uint8(k)
	}
	return m
}

// nextBlock moves on by a block of rows; finish has moved c and extra.
func (t *tile) nextBlock() {
	stride := GP64()
	MOVQ(t.at(fieldRowA), stride)
	IMUL3Q(operand.Imm(uint64(t.rows)), stride, stride)
	ADDQ(stride, t.a)
}
