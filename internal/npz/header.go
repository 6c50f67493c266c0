package npz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// DType is the type of an array's elements, as NumPy spells it.
type DType string

// The types that are read.
const (
	F4 DType = "<f4"
	F8 DType = "<f8"
	I4 DType = "<i4"
	I8 DType = "<i8"
	U1 DType = "|u1"
)

// Size returns the bytes of one element, 0 for a type that is not read.
func (d DType) Size() int {
	switch d {
	case U1:
		return 1
	case F4, I4:
		return 4
	case F8, I8:
		return 8
	}
	return 0
}

// magic begins every array.
var magic = []byte("\x93NUMPY")

// An array's header is a Python dictionary with these three entries, whatever their order.
var (
	entryDescr = regexp.MustCompile(`^\s*'descr':\s*'([^'\\]*)'\s*(,|$)`)
	entryOrder = regexp.MustCompile(`^\s*'fortran_order':\s*(True|False)\s*(,|$)`)
	entryShape = regexp.MustCompile(`^\s*'shape':\s*\(([0-9, ]*)\)\s*(,|$)`)
)

// readHeader reads and checks what stands before the elements.
func (a *Array) readHeader(r io.Reader) error {
	var start [12]byte
	if err := a.readFull(r, start[:8]); err != nil {
		return err
	}
	if !bytes.Equal(start[:6], magic) {
		return a.wrap(ErrFormat, "it begins with %q, want %q", start[:6], magic)
	}
	var length, before uint32
	switch version := start[6]; version {
	case 1:
		before = 10
		if err := a.readFull(r, start[8:10]); err != nil {
			return err
		}
		length = uint32(binary.LittleEndian.Uint16(start[8:]))
	case 2, 3:
		before = 12
		if err := a.readFull(r, start[8:12]); err != nil {
			return err
		}
		length = binary.LittleEndian.Uint32(start[8:])
	default:
		return a.wrap(ErrFormat, "version %d of the format, want 1 to 3", version)
	}
	if length > MaxHeader {
		return a.wrap(ErrFormat, "a header of %d bytes, at most %d are allowed", length, MaxHeader)
	}
	text := make([]byte, length)
	if err := a.readFull(r, text); err != nil {
		return err
	}
	a.header = int(before + length)
	if err := a.parse(string(text)); err != nil {
		return err
	}
	return a.checkLength()
}

func (a *Array) readFull(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return a.wrap(ErrFormat, "truncated header: %w", err)
	}
	return nil
}

func (a *Array) parse(text string) error {
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	inner, closed := strings.CutSuffix(inner, "}")
	malformed := func() error { return a.wrap(ErrFormat, "the header %.200q is not one that numpy.save writes", text) }
	if !ok || !closed {
		return malformed()
	}
	var descr, order, shape *string
	for strings.TrimSpace(inner) != "" {
		matched := false
		for _, e := range []struct {
			form *regexp.Regexp
			into **string
		}{{entryDescr, &descr}, {entryOrder, &order}, {entryShape, &shape}} {
			if m := e.form.FindStringSubmatch(inner); m != nil && *e.into == nil {
				*e.into, inner, matched = &m[1], inner[len(m[0]):], true
				break
			}
		}
		if !matched {
			return malformed()
		}
	}
	if descr == nil || order == nil || shape == nil {
		return malformed()
	}
	return a.accept(*descr, *order, *shape)
}

func (a *Array) accept(descr, order, shape string) error {
	a.DType = DType(descr)
	if a.DType.Size() == 0 {
		return a.wrap(ErrDType, "type %q, want one of %v", descr, []DType{F4, F8, I4, I8, U1})
	}
	if order == "True" {
		return a.wrap(ErrDType, "its order is Fortran's, want C: save numpy.ascontiguousarray of it")
	}
	for i, text := range strings.Split(shape, ",") {
		text = strings.TrimSpace(text)
		if text == "" && (i == len(a.Shape)) && strings.Count(shape, ",") == i {
			break // the comma at the end
		}
		d, err := strconv.Atoi(text)
		if err != nil || len(a.Shape) == MaxDims {
			return a.wrap(ErrFormat, "shape (%.100s), want at most %d dimensions", shape, MaxDims)
		}
		a.Shape = append(a.Shape, d)
	}
	return nil
}

// checkLength compares the shape with the length of the member.
func (a *Array) checkLength() error {
	size := int64(a.DType.Size())
	for _, d := range a.Shape {
		if d != 0 && size > math.MaxInt64/int64(d) {
			return a.wrap(ErrFormat, "shape %v is too large", a.Shape)
		}
		size *= int64(d)
	}
	if got := int64(a.member.UncompressedSize64) - int64(a.header); got != size {
		return a.wrap(ErrFormat, "%d bytes of elements, but shape %v of %s makes %d", got, a.Shape, a.DType, size)
	}
	return nil
}
