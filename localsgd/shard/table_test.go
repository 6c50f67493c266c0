package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diskFile is a file of testdata, in memory.
func diskFile(t testing.TB, name string) File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return textFile(name, string(data))
}

func digest(values any) string {
	b, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

// numpyHashes are what internal/npz/testdata/make.py printed of its arrays, before it wrote them as .npz and .csv.
var numpyHashes = map[string]string{
	"train x": "066c47b09cf5c2ff", "train y": "a0c3acb840ee4363", "train user": "531cda4c3bc56f3c",
	"test x": "5eb2f8473a56868b", "test y": "1cbc6b74efd26d79",
}

// TestTables loads one data set from .npz and from .csv, both of which Python wrote.
func TestTables(t *testing.T) {
	fromNPZ, err := LoadNPZ(Files{diskFile(t, "train.npz"), diskFile(t, "test.npz"), "user"}, All)
	if err != nil {
		t.Fatal(err)
	}
	fromCSV, err := LoadCSV(Files{diskFile(t, "train.csv"), diskFile(t, "test.csv"), "user"}, CSV{Label: "kind"}, All)
	if err != nil {
		t.Fatal(err)
	}
	for kind, d := range map[string]Data{"npz": fromNPZ, "csv": fromCSV} {
		for name, values := range map[string]any{
			"train x": d.Train.Values, "train y": d.Train.Labels, "train user": d.Train.Groups, "test x": d.Test.Values, "test y": d.Test.Labels,
		} {
			if got := digest(values); got != numpyHashes[name] {
				t.Errorf("%s: %s has SHA-256 %s, NumPy's has %s", kind, name, got, numpyHashes[name])
			}
		}
		if d.Train.N != 60 || d.Test.N != 20 || !slices.Equal(d.Train.Shape, []int{3}) || d.Train.Classes != 3 || d.Test.Classes != 3 || d.Test.Groups != nil {
			t.Errorf("%s: train %v, test %v", kind, d.Train, d.Test)
		}
		if err := errors.Join(d.Train.Validate(), d.Test.Validate()); err != nil {
			t.Error(err)
		}
	}
	if err := fromNPZ.Fingerprint().Check(fromCSV.Fingerprint()); err != nil {
		t.Errorf("the same data from two kinds of files: %v", err)
	}
	plain, err := LoadNPZ(Files{Train: diskFile(t, "train.npz"), Test: diskFile(t, "test.npz")}, All)
	if err != nil || plain.Fingerprint().Check(fromNPZ.Fingerprint()) == nil {
		t.Errorf("without groups the fingerprint is the same, error %v", err)
	}
	given := *plain.Train
	given.Given = Shards{{0, 1}, {2}}
	a := Data{Train: &given}.Fingerprint()
	given.Given = Shards{{0}, {1, 2}}
	if a.Check(Data{Train: &given}.Fingerprint()) == nil {
		t.Error("other lists of shards, the same fingerprint")
	}
}

func TestLoadNPZRefuses(t *testing.T) {
	for groups, want := range map[string]string{
		"users": `want users, found ["target" "user" "x" "y"]`, "target": "target is <f8 of shape [60 1], want whole numbers of shape [60]",
	} {
		if _, err := LoadNPZ(Files{Train: diskFile(t, "train.npz"), Groups: groups}, Training); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("groups %s: error %v, want %q", groups, err, want)
		}
	}
	one := zipped(t, map[string][]int64{"x": {1}, "y": {0}})
	if _, err := LoadNPZ(Files{Train: one}, Training); !errors.Is(err, ErrData) || !strings.Contains(err.Error(), "shards.npz: invalid data: x has shape [1], want [N, ...]") {
		t.Errorf("x of one dimension: %v", err)
	}
	if _, err := LoadNPZ(Files{Train: one}, TrainY); err != nil {
		t.Errorf("labels alone: %v", err)
	}
}

// both wants a file of training data that is also one of test data.
func loadCSV(text string, format CSV, need Need) (Data, error) {
	return LoadCSV(Files{Train: textFile("a.csv", text), Test: textFile("b.csv", text)}, format, need)
}

func TestLoadCSV(t *testing.T) {
	t.Run("regression", func(t *testing.T) {
		d, err := loadCSV("\ufeffa, y ,b\r\n1, 2.5, -3e-1\r\n\r\n.5,+1,4\r\n", CSV{Label: "y", Regression: true}, All)
		if err != nil {
			t.Fatal(err)
		}
		if s := d.Train; s.Classes != 0 || s.Outputs != 1 || !slices.Equal(s.Targets, []float32{2.5, 1}) || !slices.Equal(s.Values, []float32{1, -0.3, 0.5, 4}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("numbers and no header", func(t *testing.T) {
		d, err := loadCSV("5,2\n6,0.0\n7,2.0\n", CSV{Label: "1", NoHeader: true}, All)
		if err != nil || !slices.Equal(d.Test.Labels, []int32{2, 0, 2}) || d.Test.Classes != 3 || !slices.Equal(d.Train.Values, []float32{5, 6, 7}) {
			t.Errorf("%+v, %v", d.Test, err)
		}
	})
	t.Run("a name that looks like a number wins", func(t *testing.T) {
		d, err := loadCSV("1,0\n3,1\n", CSV{Label: "0"}, Training)
		if err != nil || d.Train.Labels[0] != 1 {
			t.Errorf("%+v, %v", d.Train, err)
		}
	})
	t.Run("test labels alone are numbered as the training set has them", func(t *testing.T) {
		files := Files{Train: textFile("a.csv", "x,y\n1,dog\n2,cat\n3,emu\n"), Test: textFile("b.csv", "x,y\n1,emu\n2,cat\n")}
		d, err := LoadCSV(files, CSV{Label: "y"}, TestY)
		if err != nil || d.Train != nil || !slices.Equal(d.Test.Labels, []int32{2, 0}) || d.Test.Classes != 3 || d.Test.HasFeatures() {
			t.Errorf("%+v, %v", d.Test, err)
		}
	})
	t.Run("a file that is not needed is not touched", func(t *testing.T) {
		d, err := LoadCSV(Files{Train: textFile("a.csv", "x,y\n1,0\n"), Test: File{Name: "b.csv"}}, CSV{Label: "y"}, TrainY)
		if err != nil || d.Test != nil || d.Train.HasFeatures() || d.Train.Shape != nil {
			t.Errorf("%+v, %v", d, err)
		}
	})
	t.Run("rounding is float32's", func(t *testing.T) {
		// One ulp above the middle of 1 and the next float32: rounded to float64 first, it would become the middle, and then 1.
		d, err := loadCSV("x,y\n1.00000005960464477539062501,0\n", CSV{Label: "y"}, TrainX)
		if want := math.Nextafter32(1, 2); err != nil || d.Train.Values[0] != want {
			t.Errorf("%v, want %v, %v", d.Train.Values, want, err)
		}
	})
}

func TestLoadCSVRefuses(t *testing.T) {
	words := CSV{Label: "y"}
	for _, c := range []struct {
		name, text string
		format     CSV
		want       string
	}{
		{"empty", "", words, "a.csv: invalid data: the file is empty"},
		{"no rows", "x,y\n", words, "a.csv: invalid data: no examples"},
		{"no label", "x,z\n1,2\n", words, `a.csv:1: invalid data: no column "y" among the 2 that begin with ["x" "z"] (or a number from 0 to 1)`},
		{"separator", "x;y\n1;2\n", words, "fields are separated by commas"},
		{"label alone", "y\n1\n", words, "no columns of features"},
		{"row numbers", ",x,y\n0,1,2\n", words, "column 0 has no name in the header; if it numbers the rows"},
		{"two names", "x,x,y\n0,1,2\n", words, `two columns are called "x"`},
		{"fields", "x,y\n1,2\n1,2,3\n", words, "a.csv:3: invalid data: 3 fields, want 2"},
		{"quotes", "x,y\n\"1,2\n", words, "a.csv:2:6: invalid data: not CSV"},
		{"word", "x,y\n1,0\nhigh,1\n", words, `a.csv:3:1: invalid data: column x: "high", want a number`},
		{"missing value", "w,x,y\n1,,0\n", words, `a.csv:2:3: invalid data: column x: "", want a number`},
		{"NaN", "x,y\nNaN,0\n", words, `"NaN", want a number`},
		{"hexadecimal", "x,y\n0x10,0\n", words, `"0x10", want a number`},
		{"decimal comma", "x,y\n\"1,5\",0\n", words, `"1,5", want a number`},
		{"too large", "x,y\n1e39,0\n", words, `"1e39", want a number up to 3.4028235e+38, the largest of float32`},
		{"no class", "x,y\n1,\n", words, `a.csv:2:3: invalid data: column y: "", want a class label`},
		{"numbers, then a word", "x,y\n1,0\n2,1\n3,1O\n", words, `a.csv:4: invalid data: label "1O", want a whole number from 0 to 1048575`},
		{"fractions", "x,y\n1,0\n2,0.5\n", words, `label "0.5"`},
		{"regression on words", "x,y\n1,cat\n", CSV{Label: "y", Regression: true}, `column y: "cat", want a number`},
	} {
		_, err := loadCSV(c.text, c.format, Training)
		if !errors.Is(err, ErrData) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"unknown word", "x,y\n1,cat\n2,cow\n", `b.csv:3: invalid data: label "cow" does not occur in the training set, which has 2`},
		{"another column", "z,y\n1,cat\n", `b.csv:1: invalid data: 1 columns of features against 1 in a.csv; number 0 is "x" there and "z" here`},
		{"more columns", "x,z,y\n1,1,cat\n", `number 1 is nothing there and "z" here`},
	} {
		_, err := LoadCSV(Files{Train: textFile("a.csv", "x,y\n1,cat\n2,dog\n"), Test: textFile("b.csv", c.text)}, words, All)
		if !errors.Is(err, ErrData) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in the test file: error %v, want %q", c.name, err, c.want)
		}
	}
	many := "x,y\n"
	for i := range 3 {
		many += fmt.Sprintf("1,w%d\n", i)
	}
	var w words3
	if err := w.fill(many); err == nil || !strings.Contains(err.Error(), "more than 2 different values") {
		t.Errorf("too many words: %v", err)
	}
}

// words3 fills a column that may hold two words.
type words3 struct{ words }

func (w *words3) fill(text string) error {
	var err error
	for i, word := range strings.Fields(text) {
		err = errors.Join(err, w.add(word, i, 2))
	}
	return err
}

// Groups are numbered in the order of their values where they are numbers, and of their bytes where they are not.
func TestCSVGroups(t *testing.T) {
	for text, want := range map[string][]int32{"10,9,10,1": {2, 1, 2, 0}, "b,10,a,9": {3, 0, 2, 1}} {
		var rows strings.Builder
		rows.WriteString("x,u,y\n")
		for _, u := range strings.Split(text, ",") {
			fmt.Fprintf(&rows, "1,%s,0\n", u)
		}
		files := Files{Train: textFile("a.csv", rows.String()), Test: textFile("b.csv", "x,y\n1,0\n"), Groups: "u"}
		d, err := LoadCSV(files, CSV{Label: "y"}, All)
		if err != nil || !slices.Equal(d.Train.Groups, want) || d.Test.Groups != nil {
			t.Errorf("groups %v, want %v, %v", d.Train.Groups, want, err)
		}
	}
}

// FuzzCSV: whatever the bytes, there is an error or a set that validates.
func FuzzCSV(f *testing.F) {
	f.Add("x,y\n1,cat\n2,dog\n", "y", false, false)
	f.Add("1,2\n3,4\n", "0", true, true)
	f.Add("\ufeff\"a\n\",y\n1,\"\"\"\"\n", "y", false, false)
	f.Fuzz(func(t *testing.T, text, label string, regression, noHeader bool) {
		d, err := loadCSV(text, CSV{Label: label, Regression: regression, NoHeader: noHeader}, All)
		if err != nil {
			return
		}
		if err := errors.Join(d.Train.Validate(), d.Test.Validate()); err != nil {
			t.Errorf("accepted an invalid set: %v", err)
		}
	})
}
