package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// raw makes a file of a header as it is and so many bytes of data.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func open(b []byte) (*File, error) { return Open(bytes.NewReader(b), int64(len(b)), "m.safetensors") }

func TestReferenceFile(t *testing.T) {
	// Written by the reference script with Python's json and struct, independently of this package.
	b, err := os.ReadFile("testdata/reference_init.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range f.Tensors() {
		names = append(names, i.Name)
	}
	if want := []string{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"}; !slices.Equal(names, want) {
		t.Fatalf("names %q, want %q", names, want)
	}
	got := make([]float32, 9)
	if err := f.ReadFloat32("0.bias", got); err != nil {
		t.Fatal(err)
	}
	data := b[8+440+432:] // the header takes 440 bytes, 0.weight 9 x 12 values
	for i, v := range got {
		if want := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])); v != want {
			t.Errorf("0.bias[%d] = %v, want %v", i, v, want)
		}
	}
	again := rewrite(t, f)
	if g, err := open(again); err != nil || !slices.EqualFunc(f.Tensors(), g.Tensors(), sameInfo) {
		t.Errorf("written and opened again: %v, %v", g, err)
	}
	if !bytes.HasSuffix(again, b[8+440:]) {
		t.Error("writing the tensors again changed their bytes")
	}
}

func TestReferenceFileIsCurrent(t *testing.T) {
	shared, err := os.ReadFile("../../../shared/reference/mlp_ce_sgd/init.safetensors")
	if err != nil {
		t.Skip("the reference cases are not beside this repository")
	}
	if b, err := os.ReadFile("testdata/reference_init.safetensors"); err != nil || !bytes.Equal(b, shared) {
		t.Errorf("testdata differs from the reference case (%v)", err)
	}
}

func sameInfo(a, b Info) bool {
	return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && a.begin == b.begin && a.end == b.end
}

// rewrite reads every F32 tensor and writes them again in the same order.
func rewrite(t *testing.T, f *File) []byte {
	t.Helper()
	var tensors []Tensor
	for _, i := range f.Tensors() {
		v := make([]float32, i.Len())
		if err := f.ReadFloat32(i.Name, v); err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, Tensor{i.Name, i.Shape, v})
	}
	var out bytes.Buffer
	if err := Write(&out, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWrittenBytes(t *testing.T) {
	var out bytes.Buffer
	err := Write(&out, []Tensor{
		{"b", []int{2}, []float32{1, -2}},
		{"a<", []int{}, []int32{-3}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		t.Fatal(err)
	}
	// JSON spells < as \u003c, which every reader undoes.
	header := `{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
		`"a\u003c":{"dtype":"I32","shape":[],"data_offsets":[8,12]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := raw(header, 0)
	want = append(want, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0xfd, 0xff, 0xff, 0xff)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("wrote\n%q, want\n%q", out.Bytes(), want)
	}
	f, err := open(out.Bytes())
	if err != nil || f.Metadata()["format"] != "pt" {
		t.Errorf("metadata %v, %v", f.Metadata(), err)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tensors []Tensor
		names := rapid.SliceOfNDistinct(rapid.String(), 0, 5, rapid.ID).Draw(t, "names")
		for _, name := range names {
			if name == "__metadata__" {
				continue
			}
			shape := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(t, "shape")
			n := Info{Shape: shape}.Len()
			values := []any{
				rapid.SliceOfN(rapid.Float32(), n, n).Draw(t, "F32"),
				rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "U8"),
				rapid.SliceOfN(rapid.Int32(), n, n).Draw(t, "I32"),
				rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "I64"),
			}[rapid.IntRange(0, 3).Draw(t, "kind")]
			tensors = append(tensors, Tensor{name, shape, values})
		}
		var out bytes.Buffer
		if err := Write(&out, tensors, nil); err != nil {
			t.Fatal(err)
		}
		f, err := open(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if f.data%8 != 0 {
			t.Errorf("the data begin at byte %d", f.data)
		}
		for _, x := range tensors {
			checkTensor(t, f, x)
		}
	})
}

func checkTensor(t *rapid.T, f *File, x Tensor) {
	info, ok := f.Lookup(x.Name)
	if !ok || !slices.Equal(info.Shape, x.Shape) {
		t.Fatalf("%q: shape %v, want %v", x.Name, info.Shape, x.Shape)
	}
	n := info.Len()
	var err error
	var same bool
	switch want := x.Values.(type) {
	case []float32:
		got := make([]float32, n)
		err = f.ReadFloat32(x.Name, got)
		same = slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	case []uint8:
		got := make([]uint8, n)
		err = f.ReadUint8(x.Name, got)
		same = bytes.Equal(got, want)
	case []int32:
		got := make([]int64, n)
		err = f.ReadInt64(x.Name, got)
		same = slices.EqualFunc(got, want, func(a int64, b int32) bool { return a == int64(b) })
	case []int64:
		got := make([]int64, n)
		err = f.ReadInt64(x.Name, got)
		same = slices.Equal(got, want)
	}
	if err != nil || !same {
		t.Fatalf("%q: equal %t, %v", x.Name, same, err)
	}
}

func TestLargeTensorGoesThroughTheBuffer(t *testing.T) {
	want := make([]float32, 3*bufferSize/4+5)
	for i := range want {
		want[i] = float32(i)
	}
	var out bytes.Buffer
	if err := Write(&out, []Tensor{{"w", []int{len(want)}, want}}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := open(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want))
	if err := f.ReadFloat32("w", got); err != nil || !slices.Equal(got, want) {
		t.Errorf("equal %t, %v", slices.Equal(got, want), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tensor := func(body string) string { return `{"w":{` + body + `}}` }
	huge := binary.LittleEndian.AppendUint64(nil, 1<<63)
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 bytes"},
		{"only a length", raw("", 0), "cut off"},
		{"header beyond the file", append(binary.LittleEndian.AppendUint64(nil, 100), '{', '}'), "header of 100 bytes"},
		{"header of 2^63", huge, "header of 9223372036854775808 bytes"},
		{"header over the limit", raw(strings.Repeat(" ", MaxHeader+1), 0), "at most 16777216"},
		{"not an object", raw(`[]`, 0), "want a JSON object"},
		{"cut JSON", raw(`{"w":{"dtype":"F32"`, 0), "cut off"},
		{"not UTF-8", raw("{\"\xff\":{}}", 0), "UTF-8"},
		{"garbage after the header", raw(`{} x`, 0), "after the header's end"},
		{"tensor twice", raw(`{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{}}`, 0), `"w" occurs twice`},
		{"key twice", raw(tensor(`"dtype":"U8","dtype":"F32","shape":[],"data_offsets":[0,1]`), 1), `"dtype" occurs twice`},
		{"unknown key", raw(tensor(`"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1`), 1), `"x": unknown key`},
		{"no shape", raw(tensor(`"dtype":"U8","data_offsets":[0,1]`), 1), "want dtype, shape"},
		{"one offset", raw(tensor(`"dtype":"U8","shape":[],"data_offsets":[0]`), 1), "two data_offsets"},
		{"null shape", raw(tensor(`"dtype":"U8","shape":null,"data_offsets":[0,1]`), 1), `"shape": null`},
		{"null dimension", raw(tensor(`"dtype":"U8","shape":[null],"data_offsets":[0,0]`), 0), "null at index 0"},
		{"fraction", raw(tensor(`"dtype":"U8","shape":[1.5],"data_offsets":[0,1]`), 1), `"shape"`},
		{"unknown dtype", raw(tensor(`"dtype":"F31","shape":[],"data_offsets":[0,1]`), 1), `unknown dtype "F31"`},
		{"negative dimension", raw(tensor(`"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]`), 1), "negative dimension"},
		{"overflowing shape", raw(tensor(`"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]`), 0), "too large"},
		{"too many dimensions", raw(tensor(`"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]`), 1), "17 dimensions"},
		{"size and shape differ", raw(tensor(`"dtype":"F32","shape":[2],"data_offsets":[0,4]`), 4), "takes 8 bytes"},
		{"negative offset", raw(tensor(`"dtype":"U8","shape":[4],"data_offsets":[-4,0]`), 0), "data_offsets [-4, 0]"},
		{"swapped offsets", raw(tensor(`"dtype":"U8","shape":[4],"data_offsets":[4,0]`), 4), "data_offsets [4, 0]"},
		{"past the end", raw(tensor(`"dtype":"U8","shape":[4],"data_offsets":[0,4]`), 3), "the file holds 3 bytes"},
		{"bytes left over", raw(tensor(`"dtype":"U8","shape":[4],"data_offsets":[0,4]`), 5), "5 bytes of data, but the tensors take 4"},
		{"gap", raw(tensor(`"dtype":"U8","shape":[4],"data_offsets":[1,5]`), 5), "begins at byte 1"},
		{"overlap", raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6), `"b" begins at byte 2`},
		{"metadata no strings", raw(`{"__metadata__":{"a":1}}`, 0), `__metadata__: "a" is not a string`},
		{"metadata null", raw(`{"__metadata__":{"a":null}}`, 0), `"a" is not a string`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(c.file)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "m.safetensors: ") {
				t.Errorf("error %v, want ErrFormat naming m.safetensors and %q", err, c.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	b := raw(`{"w":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"h":{"dtype":"F16","shape":[1],"data_offsets":[16,18]}}`, 18)
	f, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := Open(bytes.NewReader(b[:len(b)-10]), int64(len(b)), "cut")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		err  error
		want error
	}{
		{"missing", f.ReadFloat32("v", nil), ErrMissing},
		{"integers as floats", f.ReadFloat32("w", make([]float32, 2)), ErrDType},
		{"half precision", f.ReadFloat32("h", make([]float32, 1)), ErrDType},
		{"integers as bytes", f.ReadUint8("w", make([]uint8, 2)), ErrDType},
		{"other length", f.ReadInt64("w", make([]int64, 3)), ErrShape},
		{"shorter than it said", cut.ReadInt64("w", make([]int64, 2)), io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, c.err, c.want)
		}
	}
}

func TestWriteRefusesBeforeWriting(t *testing.T) {
	one := []float32{1}
	cases := map[string]struct {
		tensors []Tensor
		want    error
	}{
		"twice":        {[]Tensor{{"w", []int{1}, one}, {"w", []int{1}, one}}, ErrFormat},
		"reserved":     {[]Tensor{{"__metadata__", []int{1}, one}}, ErrFormat},
		"not UTF-8":    {[]Tensor{{"\xff", []int{1}, one}}, ErrFormat},
		"length":       {[]Tensor{{"w", []int{2}, one}}, ErrFormat},
		"negative":     {[]Tensor{{"w", []int{-1}, one}}, ErrFormat},
		"type":         {[]Tensor{{"w", []int{1}, []float64{1}}}, ErrDType},
		"many dims":    {[]Tensor{{"w", make([]int, MaxDims+1), []float32{}}}, ErrFormat},
		"large header": {[]Tensor{{strings.Repeat("n", MaxHeader), []int{1}, one}}, ErrFormat},
	}
	for name, c := range cases {
		var out bytes.Buffer
		if err := Write(&out, c.tensors, nil); !errors.Is(err, c.want) || out.Len() != 0 {
			t.Errorf("%s: error %v after %d bytes, want %v before the first", name, err, out.Len(), c.want)
		}
	}
}

// What WriteHeader writes is what Write writes before the values.
func TestWriteHeader(t *testing.T) {
	var whole, header bytes.Buffer
	metadata := map[string]string{"format": "pt"}
	if err := Write(&whole, []Tensor{{"b", []int{2, 1}, []float32{1, 2}}, {"a", nil, []int64{3}}}, metadata); err != nil {
		t.Fatal(err)
	}
	if err := WriteHeader(&header, []Info{{Name: "b", DType: F32, Shape: []int{2, 1}}, {Name: "a", DType: I64}}, metadata); err != nil {
		t.Fatal(err)
	}
	if want := whole.Bytes()[:whole.Len()-16]; !bytes.Equal(header.Bytes(), want) {
		t.Errorf("%q, want %q", header.Bytes(), want)
	}
	header.Reset()
	if err := WriteHeader(&header, []Info{{Name: "a", DType: "F128"}}, nil); !errors.Is(err, ErrDType) || header.Len() != 0 {
		t.Errorf("an unknown type: %v after %d bytes", err, header.Len())
	}
}

// FuzzOpen: no bytes panic, and what is accepted survives being read and written again.
func FuzzOpen(f *testing.F) {
	f.Add(raw(`{}`, 0))
	f.Add(raw(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))
	f.Add(raw(`{"__metadata__":{"a":"b"},"v":{"dtype":"U8","shape":[0,4],"data_offsets":[0,0]},"w":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, 8))
	f.Add(raw(`{"w":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}}`, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := open(b)
		if err != nil {
			return
		}
		total := 0
		for _, i := range file.Tensors() {
			total += i.Len() * i.DType.Size()
			switch i.DType {
			case F32:
				err = file.ReadFloat32(i.Name, make([]float32, i.Len()))
			case U8:
				err = file.ReadUint8(i.Name, make([]uint8, i.Len()))
			case I32, I64:
				err = file.ReadInt64(i.Name, make([]int64, i.Len()))
			}
			if err != nil {
				t.Errorf("an accepted file cannot be read: %v", err)
			}
		}
		if int64(total) != int64(len(b))-file.data {
			t.Errorf("tensors take %d bytes of %d", total, int64(len(b))-file.data)
		}
	})
}
