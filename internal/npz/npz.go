// Package npz reads NumPy's .npz files: zip archives of arrays in .npy format.
//
// Rules: nothing in a file is believed. An array is read only if its header is one that numpy.save writes (format 1.0, 2.0
// or 3.0), its type is little-endian float32 or float64, int32 or int64, or uint8 (<f4 <f8 <i4 <i8 |u1), its order is C, and
// shape x type is exactly the length of the archive's member, which in turn is no more than its compressed bytes can hold.
// Nothing is allocated in a size that the file merely claims; values are decoded on the way, without a second copy. Zip's
// CRC is checked at an array's end. Every error wraps one of the package's errors or what the reader returned, and names
// the file and the array. Other members of the archive are never opened.
//
// The formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
package npz

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

var (
	// ErrFormat is wrapped by the errors of a file that breaks the format or a limit.
	ErrFormat = errors.New("invalid npz file")
	// ErrDType is wrapped when an array has a type or order that is not read, or values that the wanted type cannot hold.
	ErrDType = errors.New("wrong dtype")
	// ErrMissing is wrapped when a file has no array of the name asked for.
	ErrMissing = errors.New("no such array")
)

// Limits of what is read.
const (
	MaxMembers = 10_000  // of an archive
	MaxHeader  = 1 << 16 // bytes of an array's header
	MaxDims    = 16      // dimensions of one array
)

// maxInflate is more than deflate can make of one byte (1032 at most).
const maxInflate = 1040

// File is the directory of an archive and the reader behind it, which it never closes.
type File struct {
	name    string
	size    int64
	members map[string]*zip.File // by array name
}

// Open reads the directory of an archive of size bytes; name is what errors call it.
func Open(r io.ReaderAt, size int64, name string) (*File, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrFormat, err)
	}
	if len(archive.File) > MaxMembers {
		return nil, fmt.Errorf("%s: %w: %d members, at most %d are allowed", name, ErrFormat, len(archive.File), MaxMembers)
	}
	f := &File{name: name, size: size, members: map[string]*zip.File{}}
	for _, member := range archive.File {
		array, ok := strings.CutSuffix(member.Name, ".npy")
		if !ok {
			continue
		}
		if f.members[array] != nil {
			return nil, fmt.Errorf("%s: %w: two arrays are called %q", name, ErrFormat, array)
		}
		f.members[array] = member
	}
	return f, nil
}

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// Names returns the names of the arrays, sorted.
func (f *File) Names() []string {
	var names []string
	for name := range f.members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Array is the checked header of one array.
type Array struct {
	Name  string
	DType DType
	Shape []int // empty: a scalar; must not be modified

	file   string
	member *zip.File
	header int // bytes before the elements
}

// Array reads the header of the array called name.
func (f *File) Array(name string) (*Array, error) {
	member, ok := f.members[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w: %q", f.name, ErrMissing, name)
	}
	a := &Array{Name: name, file: f.name, member: member}
	if packed := member.CompressedSize64; packed > uint64(f.size) || member.UncompressedSize64 > packed*maxInflate {
		return nil, a.wrap(ErrFormat, "%d bytes cannot come of %d compressed ones in a file of %d", member.UncompressedSize64, packed, f.size)
	}
	r, err := a.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := a.readHeader(bufio.NewReader(r)); err != nil {
		return nil, err
	}
	return a, nil
}

// Len returns the number of elements: 1 for a scalar.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

func (a *Array) open() (io.ReadCloser, error) {
	r, err := a.member.Open()
	if err != nil {
		return nil, a.wrap(ErrFormat, "opening: %w", err)
	}
	return r, nil
}

// wrap returns an error about the array that wraps kind and what args have for %w.
func (a *Array) wrap(kind error, format string, args ...any) error {
	return fmt.Errorf("%s: %w: array %q: %w", a.file, kind, a.Name, fmt.Errorf(format, args...))
}
