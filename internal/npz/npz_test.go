package npz

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)), "f.npz")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func array(t testing.TB, f *File, name string) *Array {
	t.Helper()
	a, err := f.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func floats(t testing.TB, f *File, name string, shape ...int) []float32 {
	t.Helper()
	a := array(t, f, name)
	if !slices.Equal(a.Shape, shape) {
		t.Fatalf("%s has shape %v, want %v", name, a.Shape, shape)
	}
	dst := make([]float32, a.Len())
	if err := a.ReadFloat32(dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestNumPy reads what numpy.savez and numpy.savez_compressed wrote (testdata/make.py has the values).
func TestNumPy(t *testing.T) {
	for _, name := range []string{"plain.npz", "packed.npz"} {
		t.Run(name, func(t *testing.T) {
			f := open(t, read(t, name))
			tiny := math.Float32frombits(71362) // 1e-40
			if got, want := floats(t, f, "f4", 3, 2), []float32{0, -1.5, 3.25, tiny, 1. / 3, math.MaxFloat32}; !slices.Equal(got, want) {
				t.Errorf("f4 %v, want %v", got, want)
			}
			if got, want := floats(t, f, "f8", 4), []float32{1. / 3, float32(math.Copysign(0, -1)), 1e10, 16777216}; !slices.Equal(got, want) {
				t.Errorf("f8 %v, want %v", got, want)
			}
			if got := floats(t, f, "scalar"); got[0] != 2.5 {
				t.Errorf("scalar %v", got)
			}
			wide := make([]int64, 3)
			if err := array(t, f, "i4").ReadInt64(wide); err != nil || !slices.Equal(wide, []int64{math.MinInt32, math.MaxInt32, 7}) {
				t.Errorf("i4 %v, %v", wide, err)
			}
			wide = wide[:2]
			if err := array(t, f, "i8").ReadInt64(wide); err != nil || !slices.Equal(wide, []int64{math.MinInt64, math.MaxInt64}) {
				t.Errorf("i8 %v, %v", wide, err)
			}
			checkBytes(t, f)
			for i, v := range floats(t, f, "long", 20000) {
				if v != float32(i) {
					t.Fatalf("long holds %v at %d", v, i)
				}
			}
			if e := array(t, f, "empty"); !slices.Equal(e.Shape, []int{0, 3}) || e.Len() != 0 || e.ReadFloat32(nil) != nil {
				t.Errorf("empty: %+v", e)
			}
		})
	}
}

func checkBytes(t *testing.T, f *File) {
	t.Helper()
	b, wide := make([]byte, 256), make([]int64, 256)
	u1 := array(t, f, "u1")
	if err := errors.Join(u1.ReadUint8(b), u1.ReadInt64(wide)); err != nil {
		t.Fatal(err)
	}
	for i := range 256 {
		if int(b[i]) != i || int(wide[i]) != i {
			t.Fatalf("byte %d became %d and %d", i, b[i], wide[i])
		}
	}
}

func TestRefusesWhatNumPyWrote(t *testing.T) {
	f := open(t, read(t, "packed.npz"))
	for name, want := range map[string]string{
		"big_endian": `type ">f4", want one of [<f4 <f8 <i4 <i8 |u1]`, "fortran": "its order is Fortran's", "text": `type "<U1"`, "record": "is not one that numpy.save writes",
	} {
		_, err := f.Array(name)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "f.npz: ") {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	for name, want := range map[string]string{"beyond": "1e+300 at element 1 is beyond", "digits": "16777217 at element 1 has more digits"} {
		if err := array(t, f, name).ReadFloat32(make([]float32, 2)); !errors.Is(err, ErrDType) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if err := array(t, f, "f4").ReadInt64(make([]int64, 6)); !errors.Is(err, ErrDType) {
		t.Errorf("floats as whole numbers: %v", err)
	}
	if err := array(t, f, "i4").ReadUint8(make([]byte, 3)); !errors.Is(err, ErrDType) {
		t.Errorf("i4 as bytes: %v", err)
	}
	if err := array(t, f, "i4").ReadFloat32(make([]float32, 2)); !errors.Is(err, ErrFormat) {
		t.Errorf("a slice that is too short: %v", err)
	}
	if _, err := f.Array("nothing"); !errors.Is(err, ErrMissing) {
		t.Errorf("an array that is not there: %v", err)
	}
	if names := f.Names(); len(names) != 14 || names[0] != "beyond" {
		t.Errorf("names %q", names)
	}
}

// archive holds one stored member x.npy; claimed is the length that its directory states.
func archive(t testing.TB, member []byte, method uint16, claimed uint64) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	e, err := w.CreateRaw(&zip.FileHeader{
		Name: "x.npy", Method: method, CRC32: crc32.ChecksumIEEE(member), UncompressedSize64: claimed, CompressedSize64: uint64(len(member)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(member); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func npy(dict string, data string) []byte {
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(dict)))
	return append(append(b, dict...), data...)
}

func TestVersions(t *testing.T) {
	for _, name := range []string{"version2.npy", "version3.npy"} {
		member := read(t, name)
		f := open(t, archive(t, member, zip.Store, uint64(len(member))))
		if got := floats(t, f, "x", 3, 2); got[1] != -1.5 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"
	cases := []struct {
		name   string
		member []byte
		also   error
		want   string
	}{
		{"empty", nil, io.ErrUnexpectedEOF, "truncated header"},
		{"magic", []byte("\x94NUMPY\x01\x00\x00\x00"), nil, "it begins with"},
		{"version", []byte("\x93NUMPY\x04\x00\x00\x00"), nil, "version 4"},
		{"header length", []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), nil, "a header of 4294967295 bytes"},
		{"cut header", npy(good, "")[:30], io.ErrUnexpectedEOF, "truncated header"},
		{"no dictionary", npy("[]", ""), nil, "not one that numpy.save writes"},
		{"no shape", npy("{'descr': '<f4', 'fortran_order': False}", ""), nil, "not one that"},
		{"an entry twice", npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", ""), nil, "not one that"},
		{"an unknown entry", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", ""), nil, "not one that"},
		{"shape", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", ""), nil, "shape (2 3)"},
		{"commas", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,,)}", ""), nil, "shape (2,,)"},
		{"dimensions", npy("{'descr': '<f4', 'fortran_order': False, 'shape': ("+strings.Repeat("1,", 17)+")}", ""), nil, "at most 16 dimensions"},
		{"huge shape", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", ""), nil, "too large"},
		{"short", npy(good, "1234567"), nil, "7 bytes of elements, but shape [2] of <f4 makes 8"},
		{"long", npy(good, "123456789"), nil, "9 bytes of elements"},
	}
	for _, c := range cases {
		_, err := open(t, archive(t, c.member, zip.Store, uint64(len(c.member)))).Array("x")
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || (c.also != nil && !errors.Is(err, c.also)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	other := npy("{ 'shape': (2,) , 'fortran_order':False,'descr': '<f4'}", "12345678")
	if a := array(t, open(t, archive(t, other, zip.Store, uint64(len(other)))), "x"); a.Len() != 2 {
		t.Errorf("another order of the entries: %+v", a)
	}
}

func TestRefusesArchives(t *testing.T) {
	good := npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000,)}", "")
	bomb := open(t, archive(t, good, zip.Deflate, uint64(len(good)+1000000000)))
	if _, err := bomb.Array("x"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "cannot come of") {
		t.Errorf("a claim beyond what deflate can do: %v", err)
	}
	method := open(t, archive(t, good, 99, uint64(len(good))))
	if _, err := method.Array("x"); !errors.Is(err, zip.ErrAlgorithm) {
		t.Errorf("an unknown compression: %v", err)
	}
	data := read(t, "plain.npz")
	at := bytes.Index(data, []byte("\x00\x00\xc0\xbf")) // the -1.5 of f4
	data[at] ^= 1
	if err := array(t, open(t, data), "f4").ReadFloat32(make([]float32, 6)); !errors.Is(err, zip.ErrChecksum) {
		t.Errorf("a flipped bit: %v", err)
	}
	if _, err := Open(strings.NewReader("no zip"), 6, "f"); !errors.Is(err, ErrFormat) {
		t.Errorf("no archive: %v", err)
	}
	var twice bytes.Buffer
	w := zip.NewWriter(&twice)
	for range 2 {
		if _, err := w.Create("x.npy"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(bytes.NewReader(twice.Bytes()), int64(twice.Len()), "f"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), `two arrays are called "x"`) {
		t.Errorf("a name twice: %v", err)
	}
}

// FuzzNPZ: whatever the bytes, there is an error or arrays of the lengths that they claim, and none longer than the file
// can hold.
func FuzzNPZ(f *testing.F) {
	f.Add(read(f, "packed.npz")[:3000])
	small := npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "12345678")
	f.Add(archive(f, small, zip.Store, uint64(len(small))))
	f.Add(archive(f, small, zip.Deflate, 1<<40))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)), "f")
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			a, err := file.Array(name)
			if err != nil {
				continue
			}
			if a.Len() > len(data)*maxInflate {
				t.Fatalf("%d bytes hold an array of shape %v", len(data), a.Shape)
			}
			_ = fmt.Sprint(a.ReadFloat32(make([]float32, a.Len())), a.ReadInt64(make([]int64, a.Len())))
		}
	})
}
