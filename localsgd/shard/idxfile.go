package shard

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// maxInflate is more than deflate can make of one byte (1032 at most), so that a gzip header cannot make us allocate what
// the file cannot hold.
const maxInflate = 1040

// idxArray is an IDX file of unsigned bytes.
type idxArray struct {
	name string
	dims []int
	data []byte
}

// readIDX reads an IDX file of unsigned bytes with the given number of dimensions, gzipped if its name ends in .gz.
// Format: bytes 0, 0, type (8 = unsigned byte), number of dimensions; each dimension as a big-endian uint32; the elements.
func readIDX(fsys fs.FS, name string, dims int) (idxArray, error) {
	a := idxArray{name: name}
	f, err := fsys.Open(name)
	if err != nil {
		return a, fmt.Errorf("opening the data file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return a, fmt.Errorf("opening the data file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return a, fmt.Errorf("%s: %w: not a regular file", name, ErrData)
	}
	if err := a.read(f, info.Size(), dims); err != nil {
		return a, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func (a *idxArray) read(f io.Reader, fileSize int64, dims int) error {
	r, limit := f, fileSize
	if strings.HasSuffix(a.name, ".gz") {
		z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<16))
		if err != nil {
			return fmt.Errorf("%w: not a gzip file: %w", ErrData, cutOff(err))
		}
		r, limit = z, fileSize*maxInflate
	}
	if err := a.readHeader(r, dims); err != nil {
		return err
	}
	size := int64(1)
	for _, d := range a.dims {
		if size *= int64(d); size > MaxFeatureBytes {
			return fmt.Errorf("%w: %v elements, at most %d are allowed", ErrData, a.dims, int64(MaxFeatureBytes))
		}
	}
	if size > limit {
		return fmt.Errorf("%w: the header announces %v = %d bytes, more than a file of %d bytes can hold: %w",
			ErrData, a.dims, size, fileSize, io.ErrUnexpectedEOF)
	}
	return a.readData(r, int(size))
}

func (a *idxArray) readHeader(r io.Reader, dims int) error {
	header := make([]byte, 4+4*dims)
	if n, err := io.ReadFull(r, header); err != nil {
		return fmt.Errorf("%w: truncated after %d bytes, the header takes %d: %w", ErrData, n, len(header), cutOff(err))
	}
	if magic, want := binary.BigEndian.Uint32(header), uint32(0x800+dims); magic != want {
		return fmt.Errorf("%w: magic number %#08x, want %#08x (unsigned bytes in %d dimensions)", ErrData, magic, want, dims)
	}
	for i := range dims {
		d := binary.BigEndian.Uint32(header[4+4*i:])
		if d < 1 || d > MaxExamples {
			return fmt.Errorf("%w: dimension %d is %d, want 1 to %d", ErrData, i, d, MaxExamples)
		}
		a.dims = append(a.dims, int(d))
	}
	return nil
}

// readData also checks that nothing follows; with gzip this is what verifies its checksum.
func (a *idxArray) readData(r io.Reader, size int) error {
	a.data = make([]byte, size)
	if n, err := io.ReadFull(r, a.data); err != nil {
		return fmt.Errorf("%w: truncated: %d of the %d bytes that %v announces: %w", ErrData, n, size, a.dims, cutOff(err))
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return fmt.Errorf("%w: trailing bytes after the %d that %v announces", ErrData, size, a.dims)
	case err != io.EOF:
		return fmt.Errorf("%w: after the data: %w", ErrData, cutOff(err))
	}
	return nil
}

// cutOff turns an end of file in a place where more must come into an unexpected one.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
