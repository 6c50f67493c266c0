package spec

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func anyStudies(t *rapid.T) (s Studies) {
	for _, study := range AllStudies() {
		s.Set(study, rapid.IntRange(0, 9).Draw(t, string(study)))
	}
	return s
}

// TestStudiesAreDue: each study at its own rounds, under its key, and by default never.
func TestStudiesAreDue(t *testing.T) {
	const text = `
data: {mnist: {}}
model: {mlp: {hidden: [4]}}
checks:
  updates: {every: 2}
  saw_tooth: {every: 3}
`
	s, err := Parse("spec.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Study{0: nil, 1: nil, 2: {Updates}, 3: {SawTooth}, 4: {Updates}, 5: nil, 6: {Updates, SawTooth}}
	for round, studies := range want {
		if got := s.Studies.Due(round); !slices.Equal(got, studies) {
			t.Errorf("round %d: %v are due, want %v", round, got, studies)
		}
	}
	plain, err := Parse("spec.yaml", []byte("data: {mnist: {}}\nmodel: {mlp: {hidden: [4]}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Studies != (Studies{}) {
		t.Errorf("by default %v are made", plain.Studies)
	}
}

// TestStudyTable: every key of checks but drift and rank is a study, so that none can be asked for in vain.
func TestStudyTable(t *testing.T) {
	s := Spec{}
	fields := s.message().Checks.ProtoReflect().Descriptor().Fields()
	var keys []Study
	for i := range fields.Len() {
		if name := string(fields.Get(i).Name()); name != "drift" && name != "rank" {
			keys = append(keys, Study(name))
		}
	}
	if all := AllStudies(); !slices.Equal(all, keys) {
		t.Errorf("the schema has %v, the table %v", keys, all)
	}
}
