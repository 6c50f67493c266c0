package shard

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func textFile(name, text string) File {
	return File{Name: name, R: strings.NewReader(text), Size: int64(len(text))}
}

// zipped is an npz file with one-dimensional arrays of <i8.
func zipped(t testing.TB, arrays map[string][]int64) File {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, values := range arrays {
		header := fmt.Sprintf("{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }", len(values))
		b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
		b = append(b, header...)
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		e, err := w.Create(name + ".npy")
		if err == nil {
			_, err = e.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return File{Name: "shards.npz", R: bytes.NewReader(out.Bytes()), Size: int64(out.Len())}
}

func TestExplicit(t *testing.T) {
	for _, f := range []File{
		textFile("shards.json", " [[4, 0],\n [2]] \n"),
		textFile("shards.csv", "example,shard\n4,0\n2,1\n\n0,0\n"),
		zipped(t, map[string][]int64{"example": {2, 4, 0}, "shard": {1, 0, 0}, "other": {9}}),
	} {
		given, err := LoadShards(f)
		if err != nil {
			t.Fatal(err)
		}
		shards, err := Split(Explicit{File: f.Name}, &Set{N: 5, Given: given}, 2, 0, 1)
		if err != nil || fmt.Sprint(shards) != "[[0 4] [2]]" {
			t.Errorf("%s: shards %v, %v", f.Name, shards, err)
		}
	}
}

func TestExplicitRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		given Shards
		limit int
		want  string
	}{
		{"not loaded", nil, 0, "were not loaded"},
		{"number of shards", Shards{{0}}, 0, "f.json has 1 shards, and shards.count is 2"},
		{"no such example", Shards{{0}, {5}}, 0, "example 5 for shard 1, want 0 to 4"},
		{"negative example", Shards{{-1}, {4}}, 0, "example -1 for shard 0"},
		{"beyond the limit", Shards{{0}, {3}}, 3, "example 3 for shard 1, want 0 to 2"},
		{"in two shards", Shards{{0, 1}, {1}}, 0, "example 1 twice, for shards 0 and 1"},
		{"twice in one", Shards{{1, 1}, {0}}, 0, "example 1 twice, for shards 0 and 0"},
		{"an empty shard", Shards{{0, 1}, nil}, 0, "leaves 1 of 2 shards without an example, sizes [2 0]"},
	} {
		_, err := Split(Explicit{File: "f.json"}, &Set{N: 5, Given: c.given}, 2, c.limit, 1)
		if !errors.Is(err, ErrPartition) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLoadShardsRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		f    File
		want string
	}{
		{"form", textFile("shards.txt", ""), "ends in .json, .csv or .npz"},
		{"size", File{Name: "a.json", Size: MaxShardsFile + 1}, "at most 268435456"},
		{"no JSON", textFile("a.json", "example"), "a.json:1: invalid data: not JSON"},
		{"cut off", textFile("a.json", "[[1,\n2], [3"), "a.json:2: "},
		{"not a list", textFile("a.json", `{"a": 1}`), "{ where [ was expected: want a list of lists"},
		{"not lists", textFile("a.json", "[1, 2]"), "1 where [ was expected"},
		{"deeper", textFile("a.json", "[[[1]]]"), "[ in the list of shard 0, want the number of an example"},
		{"fraction", textFile("a.json", "[[1],\n\n[1.5]]"), "a.json:3: invalid data: 1.5 in the list of shard 1"},
		{"negative", textFile("a.json", "[[-1]]"), "example -1 in the list of shard 0, want 0 to"},
		{"text", textFile("a.json", `[["1"]]`), "1 in the list of shard 0"},
		{"more", textFile("a.json", "[[1]] []"), "something follows the lists"},
		{"nothing", textFile("a.json", "[]"), "no shards"},
		{"header", textFile("a.csv", "shard,example\n0,1\n"), `the header is ["shard" "example"], want example,shard`},
		{"no number", textFile("a.csv", "example,shard\n0,0\n1,one\n"), `a.csv:3:3: invalid data: column shard: "one", want a whole number`},
		{"shard", textFile("a.csv", "example,shard\n0,1000000\n"), "a.csv:2: invalid data: shard 1000000, want 0 to 999999"},
		{"example", textFile("a.csv", "example,shard\n9999999999,1\n"), "a.csv:2: invalid data: example 9999999999"},
		{"empty file", textFile("a.csv", ""), "the file is empty"},
		{"no rows", textFile("a.csv", "example,shard\n"), "no shards"},
		{"no zip", textFile("a.npz", "example"), "invalid npz file"},
		{"no array", zipped(t, map[string][]int64{"example": {1}}), `want example and shard, found ["example"]`},
		{"lengths", zipped(t, map[string][]int64{"example": {1}, "shard": {1, 2}}), "1 examples, but 2 shards"},
		{"negative shard", zipped(t, map[string][]int64{"example": {1, 2}, "shard": {0, -1}}), "shards.npz: at 1: invalid data: shard -1"},
	} {
		_, err := LoadShards(c.f)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzShards: whatever the bytes, there is an error or a list of lists.
func FuzzShards(f *testing.F) {
	f.Add([]byte("[[4, 0], [2]]"), false)
	f.Add([]byte("example,shard\n4,0\n2,1\n"), true)
	f.Add([]byte(`[["`), false)
	f.Fuzz(func(t *testing.T, text []byte, table bool) {
		name := "a.json"
		if table {
			name = "a.csv"
		}
		given, err := LoadShards(textFile(name, string(text)))
		if (err == nil) == (len(given) == 0) {
			t.Fatalf("%d shards, error %v", len(given), err)
		}
		if err == nil {
			_, _ = Split(Explicit{}, &Set{N: 10, Given: given}, len(given), 0, 1)
		}
	})
}
