package shard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
)

// Explicit gives every shard the examples that a file lists for it (Set.Given). Examples that are not listed are not used;
// one that does not exist, or stands in two places, is refused.
type Explicit struct {
	File string // what was read, for messages
}

func (Explicit) String() string { return "explicit" }
func (Explicit) random() bool   { return false }

func (p Explicit) assign(in *input) ([]int32, error) {
	if in.given == nil {
		return nil, fmt.Errorf("the lists of %s were not loaded", p.File)
	}
	if len(in.given) != in.count {
		return nil, fmt.Errorf("%s has %d shards, and shards.count is %d", p.File, len(in.given), in.count)
	}
	owners := unassigned(in.n)
	for k, examples := range in.given {
		for _, i := range examples {
			if i < 0 || int(i) >= in.n {
				return nil, fmt.Errorf("%s lists example %d for shard %d, want 0 to %d", p.File, i, k, in.n-1)
			}
			if owners[i] != none {
				return nil, fmt.Errorf("%s lists example %d twice, for shards %d and %d", p.File, i, owners[i], k)
			}
			owners[i] = int32(k)
		}
	}
	return owners, nil
}

// Bounds of a file of shards.
const (
	MaxShardsFile = 1 << 28 // bytes; lists of about 30 million examples
	MaxShards     = 1_000_000
)

// LoadShards reads the lists of an explicit partition. The end of the file's name says which form it has:
//
//   - .json: a list for every shard, [[0, 4, 5], [1, 2]], and nothing else.
//   - .csv: the header example,shard, and a line for each example that is used.
//   - .npz: two arrays of whole numbers of shape [M], example and shard, which belong together by their place.
//
// Examples and shards count from 0; the number of shards is the largest one plus one, at most MaxShards. The file has at
// most MaxShardsFile bytes. Whether the examples exist and are used once is for Split to say. Errors wrap ErrData.
func LoadShards(f File) (Shards, error) {
	read, ok := map[string]func(File) (Shards, error){".json": jsonShards, ".csv": csvShards, ".npz": npzShards}[path.Ext(f.Name)]
	if !ok {
		return nil, fmt.Errorf("%s: %w: want a file whose name ends in .json, .csv or .npz", f.Name, ErrData)
	}
	if f.Size > MaxShardsFile {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d are allowed", f.Name, ErrData, f.Size, MaxShardsFile)
	}
	shards, err := read(f)
	if err == nil && len(shards) == 0 {
		err = fmt.Errorf("%s: %w: no shards", f.Name, ErrData)
	}
	return shards, err
}

// add puts an example into a shard, of which there may be none yet.
func (s Shards) add(k, example int64) (Shards, error) {
	if k < 0 || k >= MaxShards {
		return s, fmt.Errorf("%w: shard %d, want 0 to %d", ErrData, k, MaxShards-1)
	}
	if example < 0 || example >= MaxExamples {
		return s, fmt.Errorf("%w: example %d, want 0 to %d", ErrData, example, MaxExamples-1)
	}
	for int64(len(s)) <= k {
		s = append(s, nil)
	}
	s[k] = append(s[k], int32(example))
	return s, nil
}

// jsonShards also bounds the depth: nothing nests deeper than a list in a list.
func jsonShards(f File) (Shards, error) {
	text := make([]byte, f.Size)
	if _, err := io.ReadFull(io.NewSectionReader(f.R, 0, f.Size), text); err != nil {
		return nil, fmt.Errorf("%s: reading: %w", f.Name, cutOff(err))
	}
	r := &jsonLists{name: f.Name, text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	r.decoder.UseNumber()
	if err := r.expect(json.Delim('[')); err != nil {
		return nil, err
	}
	var shards Shards
	for r.decoder.More() {
		if len(shards) == MaxShards {
			return nil, r.refuse("more than %d shards", MaxShards)
		}
		list, err := r.list(len(shards))
		if err != nil {
			return nil, err
		}
		shards = append(shards, list)
	}
	if err := r.expect(json.Delim(']')); err != nil {
		return nil, err
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, r.refuse("something follows the lists")
	}
	return shards, nil
}

// jsonLists reads lists of whole numbers and knows the line where it is.
type jsonLists struct {
	name    string
	text    []byte
	decoder *json.Decoder
}

func (r *jsonLists) list(k int) ([]int32, error) {
	if err := r.expect(json.Delim('[')); err != nil {
		return nil, err
	}
	var list []int32
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, r.refuse("not JSON: %v", err)
		}
		number, _ := token.(json.Number)
		example, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil {
			return nil, r.refuse("%v in the list of shard %d, want the number of an example", token, k)
		}
		if example < 0 || example >= MaxExamples {
			return nil, r.refuse("example %d in the list of shard %d, want 0 to %d", example, k, MaxExamples-1)
		}
		list = append(list, int32(example))
	}
	return list, r.expect(json.Delim(']'))
}

func (r *jsonLists) expect(want json.Delim) error {
	token, err := r.decoder.Token()
	if err != nil {
		return r.refuse("not JSON: %v", err)
	}
	if token != want {
		return r.refuse("%v where %v was expected: want a list of lists, as in [[0, 4], [1, 2]]", token, want)
	}
	return nil
}

func (r *jsonLists) refuse(format string, args ...any) error {
	line := 1 + bytes.Count(r.text[:min(int(r.decoder.InputOffset()), len(r.text))], []byte("\n"))
	return fmt.Errorf("%s:%d: %w: %s", r.name, line, ErrData, fmt.Sprintf(format, args...))
}

func csvShards(f File) (Shards, error) {
	t, err := newCSVTable(f, false)
	if err != nil {
		return nil, err
	}
	if len(t.header) != 2 || t.header[0] != "example" || t.header[1] != "shard" {
		return nil, fmt.Errorf("%s:1: %w: the header is %q, want example,shard", f.Name, ErrData, t.header)
	}
	var shards Shards
	for {
		row, err := t.next()
		if row == nil {
			return shards, err
		}
		var numbers [2]int64
		for i, field := range row {
			if numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
				return nil, t.refuse(i, "%q, want a whole number", field)
			}
		}
		if shards, err = shards.add(numbers[1], numbers[0]); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", f.Name, t.line(), err)
		}
	}
}
