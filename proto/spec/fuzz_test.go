package spec

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
)

// FuzzParse: whatever the file and the override, Parse returns an error of its kind or a spec whose YAML reads back to it.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/base.yaml", "testdata/bad.yaml") {
		f.Add(read(f, file), "")
	}
	base := read(f, "testdata/base.yaml")
	for _, setting := range []string{"local.batch=5", "data.idx.dir=*a", "model.layers=[{linear: {in: 3, out: 4}}, 5]", "seed=null", "=", "data=&a [*a]"} {
		f.Add(base, setting)
	}
	f.Add([]byte("a: &a [*a, {<<: *a}]\n--- !x\n? [b]\n: |\n c\n"), "stop.accuracy=.nan")
	f.Fuzz(func(t *testing.T, data []byte, setting string) {
		var settings []string
		if setting != "" {
			settings = []string{setting}
		}
		s, err := Parse("f", data, settings)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || err.Error() == "" {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		back, err := Parse("f", s.YAML(), nil)
		if err != nil || !bytes.Equal(back.Proto(), s.Proto()) {
			t.Fatalf("YAML does not read back: %v\n%s", err, s.YAML())
		}
	})
}

// FuzzFromProto: whatever the bytes, FromProto returns an error of its kind or a spec whose bytes read back to it.
func FuzzFromProto(f *testing.F) {
	for _, file := range []string{"../../examples/mnist.yaml", "../../examples/cluster.yaml", "testdata/base.yaml"} {
		s, err := Parse(file, read(f, file), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Proto())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := FromProto(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || err.Error() == "" {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		back, err := FromProto(s.Proto())
		if err != nil || !bytes.Equal(back.Proto(), s.Proto()) {
			t.Fatalf("Proto does not read back: %v", err)
		}
	})
}
