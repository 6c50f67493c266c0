package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// oneTensor is a file of one tensor of any type.
func oneTensor(t *testing.T, dtype string, size int, data []byte) *File {
	t.Helper()
	header := fmt.Sprintf(`{"x":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, dtype, len(data)/size, len(data))
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	file = append(append(file, header...), data...)
	f, err := Open(bytes.NewReader(file), int64(len(file)), "f")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func floats(t *testing.T, f *File) (all []float32) {
	t.Helper()
	if err := f.Floats("x", func(values []float32) error {
		all = append(all, values...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every half and every bfloat16 there is, by the definition of its value.
func TestFloatsOfTwoBytes(t *testing.T) {
	var data []byte
	for h := range 1 << 16 {
		data = binary.LittleEndian.AppendUint16(data, uint16(h))
	}
	for _, c := range []struct {
		dtype          string
		mantissa, bias int
	}{{"F16", 10, 15}, {"BF16", 7, 127}} {
		for h, got := range floats(t, oneTensor(t, c.dtype, 2, data)) {
			m, exp := h&(1<<c.mantissa-1), h>>c.mantissa&(1<<(15-c.mantissa)-1)
			var want float64
			switch {
			case exp == 1<<(15-c.mantissa)-1 && m == 0:
				want = math.Inf(1)
			case exp == 1<<(15-c.mantissa)-1:
				want = math.NaN()
			case exp == 0:
				want = math.Ldexp(float64(m), 1-c.bias-c.mantissa)
			default:
				want = math.Ldexp(float64(m+1<<c.mantissa), exp-c.bias-c.mantissa)
			}
			if h>>15 == 1 {
				want = math.Copysign(want, -1)
			}
			if math.Float64bits(float64(got)) != math.Float64bits(want) && !(math.IsNaN(want) && got != got) {
				t.Fatalf("%s %04x is %v, want %v", c.dtype, h, got, want)
			}
		}
	}
}

func TestFloatsOfEightBytesAreRounded(t *testing.T) {
	var data []byte
	for _, x := range []float64{1, -0.1, 1e-300, 1e300, 1 + 0x1p-24, 1 + 3*0x1p-24} {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	want := []float32{1, -0.1, 0, float32(math.Inf(1)), 1, 1 + 0x1p-22}
	if got := floats(t, oneTensor(t, "F64", 8, data)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFloatsStopAtTheFirstError(t *testing.T) {
	stop := errors.New("stop")
	calls := 0
	err := oneTensor(t, "F32", 4, make([]byte, 3*bufferSize)).Floats("x", func([]float32) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := oneTensor(t, "I64", 8, make([]byte, 8)).Floats("x", nil); !errors.Is(err, ErrDType) {
		t.Errorf("integers: %v, want ErrDType", err)
	}
	if err := oneTensor(t, "F32", 4, nil).Floats("y", nil); !errors.Is(err, ErrMissing) {
		t.Errorf("another name: %v, want ErrMissing", err)
	}
}
