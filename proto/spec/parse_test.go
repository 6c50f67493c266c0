package spec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestParse compares what Parse says with testdata/problems; `go test ./proto/spec -rewrite` writes these files anew.
// A spec that is taken is shown in full.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/problems", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse":
				return outcome(Parse("spec.yaml", []byte(d.Input), nil))
			case "override":
				file := "base.yaml"
				if d.HasArg("bad") {
					file = "bad.yaml"
				}
				return outcome(Parse(file, read(t, filepath.Join("testdata", file)), strings.Split(d.Input, "\n")))
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func outcome(s *Spec, err error) string {
	if err != nil {
		if s != nil || !errors.Is(err, ErrInvalid) {
			return "a spec beside the error, or an error that does not wrap ErrInvalid: " + err.Error()
		}
		return err.Error()
	}
	return string(s.YAML())
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestDocument holds what cannot be written in a text file of cases.
func TestDocument(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       Problem // without text
	}{
		{"too large", strings.Repeat("#", maxSize+1), Problem{File: "f", Line: 1, Column: 1, Message: "the file has 1048577 bytes, at most 1048576 are allowed"}},
		{"not UTF-8", "seed: 1\nname: \xff", Problem{File: "f", Line: 2, Column: 7, Message: "byte 0xff is not UTF-8"}},
		{"UTF-16", "\xff\xfea\x00", Problem{File: "f", Line: 1, Column: 1, Message: "byte 0xff is not UTF-8"}},
		{"control character", "seed: 1\nname: \x01", Problem{File: "f", Line: 1, Column: 1, Message: "not YAML: control characters are not allowed"}},
		{"nesting", strings.Repeat("[", 20000), Problem{File: "f", Line: 1, Column: 1, Message: "not YAML: exceeded max depth of 10000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f", []byte(test.data), nil)
			var all *Errors
			if !errors.As(err, &all) || len(all.Problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			got := all.Problems[0]
			got.text = ""
			if got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// TestManyProblems: a report stays readable however bad the file is.
func TestManyProblems(t *testing.T) {
	file := "data: {mnist: {}}\nmodel: {mlp: {}}\n" + strings.Repeat("k: 1\n", 1000)
	_, err := Parse("f", []byte(file), nil)
	var all *Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v, want *Errors", err)
	}
	if len(all.Problems) != maxProblems || all.Omitted != 1000-maxProblems {
		t.Errorf("got %d problems and %d omitted, want %d and %d", len(all.Problems), all.Omitted, maxProblems, 1000-maxProblems)
	}
	if !strings.HasSuffix(err.Error(), "\nand 950 more") {
		t.Errorf("the report does not end with what is omitted: %q", err.Error()[len(err.Error())-40:])
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found examples %v, %v; want at least three", files, err)
	}
	for _, file := range files {
		if _, err := Parse(file, read(t, file), nil); err != nil {
			t.Error(err)
		}
	}
}
