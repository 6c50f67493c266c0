// The tiles of matrix products for arm64 with NEON, by hand: what tools/kernelasm writes for amd64, with the same bits.
//
// Every tile computes R rows by 4 or 2 vectors of C = sum over k of A[i,k]*B[k,j], one fused multiply-add for each k in
// ascending order, from +0 or from what is given: the vector lanes run over j, so no sum is ever split. Then it does with
// the sums what the mode says, and goes on with the next block of rows. Vector v of row r is summed in V(4*r+v): six rows
// of four vectors fill 24 of the 32 registers, and a term of them takes 24 multiply-adds, which hide their latency on
// every core, for 4 vectors and 6 numbers loaded.

#include "go_asm.h"
#include "textflag.h"

// Registers. What a mode needs beside the sums is in V24 to V31, too.
//
//	R0 *tile          R1 A of the block   R2 C, row by row    R3 extra, row by row
//	R4 rowC           R5 rowExtra         R6 blocks left      R7 mode; scratch
//	R8+r row r of A   R14 place in it     R15 termA           R19 terms left
//	R20 row of B      R21 rowB            R22 spans left      R23 what the sums go on from, row by row
//	V24+v the vectors of B's row          V28+r%4 a number of A's row r

// Instructions that Go's assembler does not have, or that take numbers computed from a row and a vector: d, n and m are
// vector registers, x and o general ones, as in Arm's manual, destination first. Factors are lane 0 of a vector.
#define FMLA(d, n, m) WORD $(0x4F801000 | (m)<<16 | (n)<<5 | (d)) // FMLA Vd.4S, Vn.4S, Vm.S[0]: d += n*m, rounded once
#define FMLS(d, n, m) WORD $(0x4F805000 | (m)<<16 | (n)<<5 | (d)) // FMLS Vd.4S, Vn.4S, Vm.S[0]: d -= n*m, rounded once
#define FADD(d, n, m) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d)) // FADD Vd.4S, Vn.4S, Vm.4S
#define FCMLT0(d, n) WORD $(0x4EA0E800 | (n)<<5 | (d)) // FCMLT Vd.4S, Vn.4S, #0.0: ones where n < 0, not where NaN
#define FCMLE0(d, n) WORD $(0x6EA0D800 | (n)<<5 | (d)) // FCMLE Vd.4S, Vn.4S, #0.0: ones where n <= 0, not where NaN
#define BIC(d, n, m) WORD $(0x4E601C00 | (m)<<16 | (n)<<5 | (d)) // BIC Vd.16B, Vn.16B, Vm.16B: d = n and not m
#define COPY(d, n) WORD $(0x4EA01C00 | (n)<<16 | (n)<<5 | (d)) // MOV Vd.16B, Vn.16B
#define CLEAR(d) WORD $(0x6F00E400 | (d)) // MOVI Vd.2D, #0
#define LDRQ(d, x, place) WORD $(0x3DC00000 | (place)<<6 | (x)<<5 | (d)) // LDR Qd, [Xx, #place]
#define STRQ(d, x, place) WORD $(0x3D800000 | (place)<<6 | (x)<<5 | (d)) // STR Qd, [Xx, #place]
#define LDRS(d, x, o) WORD $(0xBC606800 | (o)<<16 | (x)<<5 | (d)) // LDR Sd, [Xx, Xo]

#define C 2
#define EXTRA 3
#define FROM 23

// each(op, r) does op(s, place) for each vector s of row r, which is so many bytes into the row. FINISH goes on to the
// next row of C and extra then, START to that of what sums go on from; TERM loads the row's number of A before.
#define EACHx4(op, r) op(4*(r), 0); op(4*(r)+1, 16); op(4*(r)+2, 32); op(4*(r)+3, 48)
#define EACHx2(op, r) op(4*(r), 0); op(4*(r)+1, 16)
#define FINISHx4(op, r) EACHx4(op, r); ADD R4, R2; ADD R5, R3
#define FINISHx2(op, r) EACHx2(op, r); ADD R4, R2; ADD R5, R3
#define STARTx4(op, r) EACHx4(op, r); ADD R4, R23
#define STARTx2(op, r) EACHx2(op, r); ADD R4, R23
#define TERMx4(op, r) LDRS(28+((r)&3), 8+(r), 14); EACHx4(op, r)
#define TERMx2(op, r) LDRS(28+((r)&3), 8+(r), 14); EACHx2(op, r)

// rows(each, op) does each(op, r) for the rows of a tile.
#define ROWS1(each, op) each(op, 0)
#define ROWS2(each, op) ROWS1(each, op); each(op, 1)
#define ROWS3(each, op) ROWS2(each, op); each(op, 2)
#define ROWS4(each, op) ROWS3(each, op); each(op, 3)
#define ROWS5(each, op) ROWS4(each, op); each(op, 4)
#define ROWS6(each, op) ROWS5(each, op); each(op, 5)

// The operations on a vector of sums.
#define ZERO(s, place) CLEAR(s)
#define LOAD(s, place) LDRQ(s, FROM, place)
#define PRODUCT(s, place) FMLA(s, 24+((s)&3), 28+(((s)>>2)&3))

#define SQUARE(s, place) FMLA(s, 24, 28)

#define STORE(s, place) STRQ(s, C, place)
#define BIAS(s, place) LDRQ(24, EXTRA, place); FADD(s, s, 24); STRQ(s, C, place)
#define RELU(s, place) LDRQ(24, EXTRA, place); FADD(s, s, 24); FCMLT0(24, s); BIC(s, s, 24); STRQ(s, C, place)
#define MASK(s, place) LDRQ(24, EXTRA, place); FCMLE0(24, 24); BIC(s, s, 24); STRQ(s, C, place)

// The steps of SGD, where C are weights, extra their velocities and the sums gradients. See the type SGD for the formulas.
#define LR 28
#define SHRINK 29
#define DECAY 30
#define MOMENTUM 31
#define FACTORS FMOVS tile_lr(R0), F28; FMOVS tile_shrink(R0), F29; FMOVS tile_decay(R0), F30; FMOVS tile_momentum(R0), F31
#define PLAIN(s, place) LDRQ(24, C, place); FMLS(24, s, LR); STRQ(24, C, place)
#define SHRUNK(s, place) LDRQ(24, C, place); COPY(25, 24); FMLS(25, 24, SHRINK); FMLS(25, s, LR); STRQ(25, C, place)
#define HEAVY(s, place) \
	LDRQ(24, C, place); LDRQ(25, EXTRA, place); \
	FMLA(s, 24, DECAY); FMLA(s, 25, MOMENTUM); STRQ(s, EXTRA, place); \
	FMLS(24, s, LR); STRQ(24, C, place)
#define NESTEROVS(s, place) \
	LDRQ(24, C, place); LDRQ(25, EXTRA, place); \
	FMLA(s, 24, DECAY); \
	COPY(26, s); FMLA(26, 25, MOMENTUM); STRQ(26, EXTRA, place); \
	FMLA(s, 26, MOMENTUM); FMLS(24, s, LR); STRQ(24, C, place)

// How a row of B is loaded; R20 goes on to the next.
#define LOADx4 VLD1.P (R20)(R21), [V24.S4, V25.S4, V26.S4, V27.S4]
#define LOADx2 VLD1.P (R20)(R21), [V24.S4, V25.S4]

// PASS(op, r) goes past row r of A, whose distance is in R7.
#define PASS(op, r) ADD R7, R1

// TILE is a tile whose argument is in R0.
#define TILE(rows, each, start, term, finish, load) \
	MOVD tile_a(R0), R1; MOVD tile_c(R0), R2; MOVD tile_extra(R0), R3; \
	MOVD tile_rowC(R0), R4; MOVD tile_rowExtra(R0), R5; MOVD tile_blocks(R0), R6; \
	MOVD tile_termA(R0), R15; MOVD tile_rowB(R0), R21; \
block: \
	MOVD tile_rowA(R0), R7; \
	MOVD R1, R8; ADD R7, R8, R9; ADD R7, R9, R10; ADD R7, R10, R11; ADD R7, R11, R12; ADD R7, R12, R13; \
	rows(PASS, _); \
	MOVD ZR, R14; MOVD tile_b(R0), R20; MOVD tile_spans(R0), R22; \
	rows(each, ZERO); \
	MOVD tile_from(R0), R23; \
	CBZ R23, span; \
	rows(start, LOAD); \
	MOVD R23, tile_from(R0); \
span: \
	MOVD tile_terms(R0), R19; \
sum: \
	load; \
	rows(term, PRODUCT); \
	ADD R15, R14; \
	SUBS $1, R19; BNE sum; \
	MOVD tile_skipA(R0), R7; ADD R7, R14; MOVD tile_skipB(R0), R7; ADD R7, R20; \
	SUBS $1, R22; BNE span; \
	MOVD tile_mode(R0), R7; \
	CMP $const_modeBias, R7; BEQ bias; \
	CMP $const_modeReLU, R7; BEQ relu; \
	CMP $const_modeMask, R7; BEQ mask; \
	FACTORS; \
	CMP $const_modePlain, R7; BEQ plain; \
	CMP $const_modeShrink, R7; BEQ shrink; \
	CMP $const_modeMomentum, R7; BEQ momentum; \
	CMP $const_modeNesterov, R7; BEQ nesterov; \
	rows(finish, STORE); B done; \
bias: \
	rows(finish, BIAS); B done; \
relu: \
	rows(finish, RELU); B done; \
mask: \
	rows(finish, MASK); B done; \
plain: \
	rows(finish, PLAIN); B done; \
shrink: \
	rows(finish, SHRUNK); B done; \
momentum: \
	rows(finish, HEAVY); B done; \
nesterov: \
	rows(finish, NESTEROVS); \
done: \
	SUBS $1, R6; BNE block; \
	RET

// func tileNEONx4x1(t *tile)
TEXT ·tileNEONx4x1(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS1, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx4x2(t *tile)
TEXT ·tileNEONx4x2(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS2, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx4x3(t *tile)
TEXT ·tileNEONx4x3(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS3, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx4x4(t *tile)
TEXT ·tileNEONx4x4(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS4, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx4x5(t *tile)
TEXT ·tileNEONx4x5(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS5, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx4x6(t *tile)
TEXT ·tileNEONx4x6(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS6, EACHx4, STARTx4, TERMx4, FINISHx4, LOADx4)

// func tileNEONx2x1(t *tile)
TEXT ·tileNEONx2x1(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS1, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func tileNEONx2x2(t *tile)
TEXT ·tileNEONx2x2(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS2, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func tileNEONx2x3(t *tile)
TEXT ·tileNEONx2x3(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS3, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func tileNEONx2x4(t *tile)
TEXT ·tileNEONx2x4(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS4, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func tileNEONx2x5(t *tile)
TEXT ·tileNEONx2x5(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS5, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func tileNEONx2x6(t *tile)
TEXT ·tileNEONx2x6(SB), NOSPLIT, $0-8
	MOVD t+0(FP), R0
	TILE(ROWS6, EACHx2, STARTx2, TERMx2, FINISHx2, LOADx2)

// func transposeNEON(dst, src *float32, dstRow, srcRow, blocks int)
TEXT ·transposeNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD dstRow+16(FP), R2
	MOVD srcRow+24(FP), R3
	MOVD blocks+32(FP), R4
	ADD  R3, R1, R5
	ADD  R3, R5, R6
	ADD  R3, R6, R7

block:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R5), [V1.S4]
	VLD1.P 16(R6), [V2.S4]
	VLD1.P 16(R7), [V3.S4]
	VTRN1  V1.S4, V0.S4, V4.S4     // 00 10 02 12: row and column
	VTRN2  V1.S4, V0.S4, V5.S4     // 01 11 03 13
	VTRN1  V3.S4, V2.S4, V6.S4     // 20 30 22 32
	VTRN2  V3.S4, V2.S4, V7.S4     // 21 31 23 33
	VTRN1  V6.D2, V4.D2, V0.D2
	VTRN1  V7.D2, V5.D2, V1.D2
	VTRN2  V6.D2, V4.D2, V2.D2
	VTRN2  V7.D2, V5.D2, V3.D2
	VST1.P [V0.S4], (R0)(R2)
	VST1.P [V1.S4], (R0)(R2)
	VST1.P [V2.S4], (R0)(R2)
	VST1.P [V3.S4], (R0)(R2)
	SUBS   $1, R4
	BNE    block
	RET

// func transposeMaskNEON(m *maskedBlocks)
TEXT ·transposeMaskNEON(SB), NOSPLIT, $0-8
	MOVD m+0(FP), R9
	MOVD maskedBlocks_dst(R9), R0
	MOVD maskedBlocks_src(R9), R1
	MOVD maskedBlocks_mask(R9), R8
	MOVD maskedBlocks_dstRow(R9), R2
	MOVD maskedBlocks_srcRow(R9), R3
	MOVD maskedBlocks_blocks(R9), R4
	ADD  R3, R1, R5
	ADD  R3, R5, R6
	ADD  R3, R6, R7

block:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R5), [V1.S4]
	VLD1.P 16(R6), [V2.S4]
	VLD1.P 16(R7), [V3.S4]
	VTRN1  V1.S4, V0.S4, V4.S4 // as above
	VTRN2  V1.S4, V0.S4, V5.S4
	VTRN1  V3.S4, V2.S4, V6.S4
	VTRN2  V3.S4, V2.S4, V7.S4
	VTRN1  V6.D2, V4.D2, V0.D2
	VTRN1  V7.D2, V5.D2, V1.D2
	VTRN2  V6.D2, V4.D2, V2.D2
	VTRN2  V7.D2, V5.D2, V3.D2
	VLD1.P (R8)(R2), [V16.S4]
	VLD1.P (R8)(R2), [V17.S4]
	VLD1.P (R8)(R2), [V18.S4]
	VLD1.P (R8)(R2), [V19.S4]
	FCMLE0(16, 16)
	FCMLE0(17, 17)
	FCMLE0(18, 18)
	FCMLE0(19, 19)
	BIC(0, 0, 16)
	BIC(1, 1, 17)
	BIC(2, 2, 18)
	BIC(3, 3, 19)
	VST1.P [V0.S4], (R0)(R2)
	VST1.P [V1.S4], (R0)(R2)
	VST1.P [V2.S4], (R0)(R2)
	VST1.P [V3.S4], (R0)(R2)
	SUBS   $1, R4
	BNE    block
	RET

// func peakNEON(loops int)
TEXT ·peakNEON(SB), NOSPLIT, $0-8
	MOVD loops+0(FP), R0
	CLEAR(24)
	CLEAR(28)
	ROWS6(EACHx4, ZERO)

loop:
	ROWS6(EACHx4, SQUARE)
	SUBS $1, R0
	BNE  loop
	RET
