package npz

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// Writer writes float64 arrays of one dimension as a NumPy .npz file, as numpy.savez does.
type Writer struct{ zip *zip.Writer }

// NewWriter returns a Writer to w. Close ends the file; w stays open.
func NewWriter(w io.Writer) *Writer { return &Writer{zip.NewWriter(w)} }

// Add writes an array under a name, which must not have been used before.
func (w *Writer) Add(name string, values []float64) error {
	f, err := w.zip.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
	if err != nil {
		return fmt.Errorf("writing array %s: %w", name, err)
	}
	if _, err := f.Write(encode(values)); err != nil {
		return fmt.Errorf("writing array %s: %w", name, err)
	}
	return nil
}

// Close writes the end of the file.
func (w *Writer) Close() error { return w.zip.Close() }

// headerAlign is what the length of everything before the elements is a multiple of.
const headerAlign = 64

func encode(values []float64) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }", F8, len(values))
	before := len(magic) + 4
	header += strings.Repeat(" ", headerAlign-(before+len(header)+1)%headerAlign) + "\n"
	b := append([]byte(nil), magic...)
	b = append(b, 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	b = append(b, header...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
