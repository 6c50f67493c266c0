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
	fieldDone, fieldLeft         = 144, 152
	fieldEarly                   = 160
	modeBias, modeReLU, modeMask = 1, 2, 3
	modePlain, modeShrink        = 4, 5
	modeMomentum, modeNesterov   = 6, 7
	rowsPerPointer               = 5
	blocksAhead                  = 2    // how far ahead an update asks for velocities
	bytesAhead                   = 2048 // how far ahead a product asks for b
)

// tile is a tile function being written.
type tile struct {
	isa           isa
	vectors, rows int
	args          reg.GPVirtual // points to the arguments
	c, extra      reg.GPVirtual // the block of rows that is computed
	sums          [][]reg.VecVirtual
}

// writeTile writes a function that counts blocks in the fields blocks and done: registers are few.
func writeTile(i isa, vectors, rows int) {
	name := shape{isa: i, vectors: vectors}.function(rows)
	TEXT(name, NOSPLIT, "func(t *float32)")
	Doc(fmt.Sprintf("%s computes blocks of %d rows by %d lanes.", name, rows, vectors*i.bytes/4))
	t := &tile{isa: i, vectors: vectors, rows: rows, args: GP64(), c: GP64(), extra: GP64()}
	Load(Param("t"), t.args)
	MOVQ(t.at(fieldC), t.c)
	MOVQ(t.at(fieldExtra), t.extra)
	Label("block")
	t.sum()
	t.finish()
	t.nextBlock()
	DECQ(t.at(fieldBlocks))
	JNE(operand.LabelRef("block"))
	VZEROUPPER()
	RET()
}

func (t *tile) at(field int) operand.Mem { return operand.Mem{Base: t.args, Disp: field} }

// operands are where the next term's factors are, and what leads from one to the next.
type operands struct {
	a              []reg.GPVirtual // every fifth row
	stride, triple reg.GPVirtual   // between rows of A, and three times that
	step           reg.GPVirtual   // between terms of A
	b, stepB       reg.GPVirtual
}

// sum leaves the block's sums in t.sums.
func (t *tile) sum() {
	o := &operands{stride: GP64(), triple: GP64(), step: GP64(), b: GP64(), stepB: GP64()}
	MOVQ(t.at(fieldRowA), o.stride)
	LEAQ(operand.Mem{Base: o.stride, Index: o.stride, Scale: 2}, o.triple)
	MOVQ(t.at(fieldTermA), o.step)
	MOVQ(t.at(fieldRowB), o.stepB)
	t.rowPointers(o)
	MOVQ(t.at(fieldB), o.b)
	t.start()
	terms, spans := GP64(), GP64()
	MOVQ(t.at(fieldSpans), spans)
	MOVQ(spans, t.at(fieldLeft))
	MOVQ(t.at(fieldTerms), terms)
	CMPQ(t.at(fieldMode), operand.U32(modePlain))
	JLT(operand.LabelRef("term"))

	t.earlyTerms(o, terms)
	Label("term")
	t.term(o, true)
	DECQ(terms)
	JNE(operand.LabelRef("term"))
	Label("span")
	for _, p := range o.a {
		ADDQ(t.at(fieldSkipA), p)
	}
	ADDQ(t.at(fieldSkipB), o.b)
	MOVQ(t.at(fieldTerms), terms)
	DECQ(t.at(fieldLeft))
	JNE(operand.LabelRef("term"))
}

// earlyTerms adds the first terms of an update, and asks with each for one row of weights and of velocities that come
// later: when their turn comes, they are there.
func (t *tile) earlyTerms(o *operands, terms reg.GPVirtual) {
	stop := GP64() // terms left when enough was asked for
	MOVQ(terms, stop)
	SUBQ(operand.Imm(uint64(t.rows)), stop)
	weights, velocities := GP64(), GP64()
	MOVQ(t.c, weights)
	ADDQ(t.at(fieldEarly), weights)
	MOVQ(t.at(fieldRowC), velocities)
	IMUL3Q(operand.Imm(uint64(t.rows*blocksAhead)), velocities, velocities)
	Label("early")
	for place := 0; place < t.vectors*t.isa.bytes; place += cacheLine {
		PREFETCHT0(operand.Mem{Base: weights, Disp: place})
		PREFETCHT0(operand.Mem{Base: t.extra, Index: velocities, Scale: 1, Disp: place})
	}
	ADDQ(t.at(fieldRowC), weights)
	ADDQ(t.at(fieldRowC), velocities)
	t.term(o, false)
	DECQ(terms)
	JEQ(operand.LabelRef("span"))
	CMPQ(terms, stop)
	JNE(operand.LabelRef("early"))
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

// term adds one term to the sums. With early it asks for what b has later: panels of weights do not fit into the nearest
// cache, and the processor's own guesses end at every page.
func (t *tile) term(o *operands, early bool) {
	row := t.vectorRow()
	for v := range row {
		VMOVUPS(operand.Mem{Base: o.b, Disp: v * t.isa.bytes}, row[v])
	}
	if early {
		for place := 0; place < t.vectors*t.isa.bytes; place += cacheLine {
			PREFETCHT0(operand.Mem{Base: o.b, Disp: bytesAhead + place})
		}
	}
	for r := range t.sums {
		t.isa.addProduct(t.sums[r], row, o.rowOf(r))
	}
	for _, p := range o.a {
		ADDQ(o.step, p)
	}
	ADDQ(o.stepB, o.b)
}

func (t *tile) vectorRow() []reg.VecVirtual {
	row := make([]reg.VecVirtual, t.vectors)
	for v := range row {
		row[v] = t.isa.vector()
	}
	return row
}

// rowPointers makes pointers to every fifth row of A: addresses reach the four that follow.
func (t *tile) rowPointers(o *operands) {
	p := GP64()
	MOVQ(t.at(fieldA), p)
	ADDQ(t.at(fieldDone), p)
	o.a = []reg.GPVirtual{p}
	for r := rowsPerPointer; r < t.rows; r += rowsPerPointer {
		next := GP64()
		LEAQ(operand.Mem{Base: o.a[len(o.a)-1], Index: o.stride, Scale: 4}, next)
		ADDQ(o.stride, next)
		o.a = append(o.a, next)
	}
}

func (o *operands) rowOf(r int) operand.Mem {
	m := operand.Mem{Base: o.a[r/rowsPerPointer]}
	switch k := r % rowsPerPointer; k {
	case 0:
	case 3:
		m.Index, m.Scale = o.triple, 1
	default:
		m.Index, m.Scale = o.stride, uint8(k)
	}
	return m
}

// nextBlock moves on by a block of rows; finish has moved c and extra.
func (t *tile) nextBlock() {
	stride := GP64()
	MOVQ(t.at(fieldRowA), stride)
	IMUL3Q(operand.Imm(uint64(t.rows)), stride, stride)
	ADDQ(stride, t.at(fieldDone))
}
