package tensor

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

func layout(t *testing.T, descs ...Desc) *Layout {
	t.Helper()
	l, err := NewLayout(descs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayoutPlacesTensorsWithoutGaps(t *testing.T) {
	l := layout(t, Desc{Name: "0.weight", Shape: []int{3, 2}}, Desc{Name: "0.bias", Shape: []int{3}}, Desc{Name: "1.running_mean", Shape: []int{4, 2, 2, 2}, Buffer: true})
	if l.Len() != 3 || l.Size() != 41 {
		t.Fatalf("%d tensors of %d elements", l.Len(), l.Size())
	}
	v, ok := l.Lookup("1.running_mean")
	if !ok || v.Offset != 9 || v.Size != 32 || !v.Buffer {
		t.Errorf("view %+v, %t", v, ok)
	}
	if rows, cols, ok := v.Matrix(); rows != 4 || cols != 8 || !ok {
		t.Errorf("as a matrix %d x %d, %t", rows, cols, ok)
	}
	if _, _, ok := l.At(1).Matrix(); ok {
		t.Error("a bias passes for a matrix")
	}
	block := make([]float32, l.Size())
	Of(block, l.At(1))[2] = 7
	if block[8] != 7 {
		t.Error("a view does not alias its block")
	}
	if again := layout(t, l.Descs()...); again.Fingerprint() != l.Fingerprint() {
		t.Error("equal layouts have different fingerprints")
	}
}

func TestFingerprintCoversEverything(t *testing.T) {
	seen := map[Hash]string{}
	for name, d := range map[string][]Desc{
		"plain":  {{Name: "a", Shape: []int{2, 3}}, {Name: "b", Shape: []int{2}}},
		"name":   {{Name: "c", Shape: []int{2, 3}}, {Name: "b", Shape: []int{2}}},
		"shape":  {{Name: "a", Shape: []int{3, 2}}, {Name: "b", Shape: []int{2}}},
		"buffer": {{Name: "a", Shape: []int{2, 3}}, {Name: "b", Shape: []int{2}, Buffer: true}},
		"order":  {{Name: "b", Shape: []int{2}}, {Name: "a", Shape: []int{2, 3}}},
		"fewer":  {{Name: "a", Shape: []int{2, 3}}},
	} {
		f := layout(t, d...).Fingerprint()
		if other, dup := seen[f]; dup {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[f] = name
	}
}

func TestLayoutRefuses(t *testing.T) {
	for name, d := range map[string][]Desc{
		"no name":   {{Shape: []int{1}}},
		"twice":     {{Name: "a", Shape: []int{1}}, {Name: "a", Shape: []int{2}}},
		"zero":      {{Name: "a", Shape: []int{3, 0}}},
		"negative":  {{Name: "a", Shape: []int{-3}}},
		"too large": {{Name: "a", Shape: []int{1 << 20, 1 << 20}}},
		"overflow":  {{Name: "a", Shape: []int{math.MaxInt, math.MaxInt}}},
		"in all":    {{Name: "a", Shape: []int{1 << 32}}, {Name: "b", Shape: []int{1}}},
	} {
		if _, err := NewLayout(d); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBlocksAreLittleEndianInOrder(t *testing.T) {
	block := []float32{1, -2.5, float32(math.Inf(1)), 0x1p-149}
	var raw []byte
	for _, v := range block {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for _, size := range []int{1, 4, 7, 8, 16, 100} {
		var got []byte
		for part := range Chunks(block, size) {
			if len(part) > max(size, 4) {
				t.Errorf("a piece of %d bytes, want at most %d", len(part), size)
			}
			got = append(got, part...)
		}
		if string(got) != string(raw) {
			t.Errorf("pieces of %d: % x, want % x", size, got, raw)
		}
	}
	if HashBlock(block) != Hash(sha256.Sum256(raw)) {
		t.Error("the hash is not that of the bytes")
	}
	back := make([]float32, len(block))
	Decode(back, raw)
	for i := range back {
		if back[i] != block[i] {
			t.Errorf("element %d came back as %g", i, back[i])
		}
	}
	// What a big-endian machine would do gives the same bytes.
	if string(appendValues(nil, block)) != string(raw) {
		t.Error("the portable form differs")
	}
}

func TestHashFromBytes(t *testing.T) {
	if _, err := HashFromBytes(make([]byte, 31)); !errors.Is(err, ErrHash) {
		t.Errorf("31 bytes: %v", err)
	}
	h, err := HashFromBytes(append([]byte{0xab}, make([]byte, 31)...))
	if err != nil || h.String()[:4] != "ab00" || h.IsZero() {
		t.Errorf("%v, %v", h, err)
	}
}
