package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// File is the checked header of a safetensors file and the reader behind it. It is immutable and may be shared by
// goroutines when its reader may. It never closes the reader.
type File struct {
	name     string
	r        io.ReaderAt
	data     int64 // offset of the data in the file
	infos    []Info
	byName   map[string]int
	metadata map[string]string
}

// Open reads and checks the header of a file of size bytes; name is what errors call it. An error of r itself is wrapped.
func Open(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{name: name, r: r, byName: map[string]int{}}
	header, err := readHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.data = 8 + int64(len(header))
	if err := f.parse(header); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrFormat, err)
	}
	if err := f.cover(size - f.data); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrFormat, err)
	}
	return f, nil
}

func readHeader(r io.ReaderAt, size int64) ([]byte, error) {
	if size < 8 {
		return nil, fmt.Errorf("%w: %d bytes are too few for a header", ErrFormat, size)
	}
	var length [8]byte
	if err := readFull(r, length[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header's length: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > MaxHeader || n > uint64(size-8) {
		return nil, fmt.Errorf("%w: header of %d bytes in a file of %d, at most %d are allowed", ErrFormat, n, size, MaxHeader)
	}
	header := make([]byte, n)
	if err := readFull(r, header, 8); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	return header, nil
}

// readFull fills b from offset off; a ReaderAt may report io.EOF together with the last bytes.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse fills infos, byName and metadata.
func (f *File) parse(header []byte) error {
	// encoding/json would replace invalid bytes, and so make different names equal.
	if !utf8.Valid(header) {
		return fmt.Errorf("the header is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	err := object(dec, func(key string) error {
		if key == "__metadata__" {
			return f.parseMetadata(dec)
		}
		return f.parseTensor(dec, key)
	})
	if err != nil {
		return err
	}
	if rest := bytes.TrimRight(header[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%d bytes after the header's end", len(rest))
	}
	return nil
}

func (f *File) parseMetadata(dec *json.Decoder) error {
	f.metadata = map[string]string{}
	err := object(dec, func(key string) error {
		var s *string // null is not a string
		if err := dec.Decode(&s); err != nil || s == nil {
			return fmt.Errorf("%q is not a string", key)
		}
		f.metadata[key] = *s
		return nil
	})
	if err != nil {
		return fmt.Errorf("__metadata__: %w", err)
	}
	return nil
}

func (f *File) parseTensor(dec *json.Decoder, name string) error {
	t := Info{Name: name}
	var offsets []int64
	seen := 0
	err := object(dec, func(key string) (err error) {
		seen++
		switch key {
		case "dtype":
			err = dec.Decode((*string)(&t.DType))
		case "shape":
			t.Shape, err = integers[int](dec)
		case "data_offsets":
			offsets, err = integers[int64](dec)
		default:
			err = fmt.Errorf("unknown key, want dtype, shape and data_offsets")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		return nil
	})
	if err == nil && (seen != 3 || len(offsets) != 2) {
		err = fmt.Errorf("want dtype, shape and two data_offsets")
	}
	if err == nil {
		t.begin, t.end = offsets[0], offsets[1]
		err = t.check()
	}
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	f.infos = append(f.infos, t)
	return nil
}

// integers reads an array of integers. It goes through pointers, because null would leave a number as it is.
func integers[T int | int64](dec *json.Decoder) ([]T, error) {
	var p []*T
	if err := dec.Decode(&p); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("null, want an array of integers")
	}
	out := make([]T, len(p))
	for i, v := range p {
		if v == nil {
			return nil, fmt.Errorf("null at index %d, want an integer", i)
		}
		out[i] = *v
	}
	return out, nil
}

// check compares the tensor's byte range with its shape and type.
func (i Info) check() error {
	if i.DType.Size() == 0 {
		return fmt.Errorf("unknown dtype %q", i.DType)
	}
	if len(i.Shape) > MaxDims {
		return fmt.Errorf("%d dimensions, at most %d are allowed", len(i.Shape), MaxDims)
	}
	want, err := byteLen(i.Shape, i.DType.Size())
	if err != nil {
		return err
	}
	if i.begin < 0 || i.end < i.begin || i.end-i.begin != want {
		return fmt.Errorf("data_offsets [%d, %d], but %s of shape %v takes %d bytes", i.begin, i.end, i.DType, i.Shape, want)
	}
	return nil
}

// cover sorts the tensors by their place and checks that they follow each other without gap up to the data's end.
func (f *File) cover(size int64) error {
	slices.SortStableFunc(f.infos, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := int64(0)
	for n, t := range f.infos {
		if t.begin != at {
			return fmt.Errorf("tensor %q begins at byte %d of the data, but the one before it ends at %d", t.Name, t.begin, at)
		}
		if t.end > size {
			return fmt.Errorf("tensor %q ends at byte %d, but the file holds %d bytes of data", t.Name, t.end, size)
		}
		at = t.end
		f.byName[t.Name] = n
	}
	if at != size {
		return fmt.Errorf("%d bytes of data, but the tensors take %d", size, at)
	}
	return nil
}

// object reads one JSON object and calls value for each key, which must consume exactly the key's value.
// A key that occurs twice is refused.
func object(dec *json.Decoder, value func(key string) error) error {
	if t, err := dec.Token(); err != nil {
		return jsonError(err)
	} else if t != json.Delim('{') {
		return fmt.Errorf("want a JSON object, found %v", t)
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return jsonError(err)
		}
		key := t.(string) // the decoder admits no other token here
		if seen[key] {
			return fmt.Errorf("%q occurs twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return jsonError(err)
		}
	}
	_, err := dec.Token() // the closing brace
	return jsonError(err)
}

// jsonError says in words what encoding/json means by io.EOF.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the JSON header is cut off")
	}
	return err
}
