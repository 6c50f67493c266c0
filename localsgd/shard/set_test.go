package shard

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// byteSet has n examples of two bytes, i and 255-i, with label i % classes.
func byteSet(n, classes int) *Set {
	s := &Set{Shape: []int{2}, N: n, Classes: classes, Outputs: classes}
	for i := range n {
		s.Bytes = append(s.Bytes, byte(i), byte(255-i))
		s.Labels = append(s.Labels, int32(i%classes))
	}
	return s
}

func TestBytesAreScaledExactly(t *testing.T) {
	s := byteSet(256, 1)
	row, wide := make([]float32, 2), make([]float64, 2)
	for i := range s.N {
		s.Features(row, i)
		Gather(s, []int32{int32(i)}, Rows[float64]{X: wide})
		want := float32(i) / 255
		if row[0] != want || wide[0] != float64(want) || row[1] != float32(255-i)/255 {
			t.Fatalf("byte %d became %v, %v", i, row, wide)
		}
	}
}

func TestGather(t *testing.T) {
	s := &Set{Shape: []int{2}, N: 3, Outputs: 2, Values: []float32{1, 2, 3, 4, 5, 6}, Targets: []float32{-1, -2, -3, -4, -5, -6}}
	into := Rows[float32]{X: make([]float32, 6), Targets: make([]float32, 6)}
	Gather(s, []int32{2, 0, 2}, into)
	if !slices.Equal(into.X, []float32{5, 6, 1, 2, 5, 6}) || !slices.Equal(into.Targets, []float32{-5, -6, -1, -2, -5, -6}) {
		t.Errorf("gathered %+v", into)
	}
	b := byteSet(4, 3)
	labels := make([]int32, 3)
	Gather(b, []int32{3, 2, 1}, Rows[float32]{Labels: labels})
	if !slices.Equal(labels, []int32{0, 2, 1}) {
		t.Errorf("labels %v", labels)
	}
	all := Rows[float32]{X: make([]float32, 6), Labels: labels}
	if n := testing.AllocsPerRun(100, func() { Gather(b, []int32{3, 2, 1}, all) }); n != 0 {
		t.Errorf("Gather allocates %v times", n)
	}
}

func TestValidate(t *testing.T) {
	cases := []struct {
		name   string
		damage func(*Set)
	}{
		{"no examples", func(s *Set) { s.N = 0 }},
		{"short bytes", func(s *Set) { s.Bytes = s.Bytes[1:] }},
		{"two kinds of features", func(s *Set) { s.Values = make([]float32, 2*s.N) }},
		{"short labels", func(s *Set) { s.Labels = s.Labels[1:] }},
		{"negative label", func(s *Set) { s.Labels[0] = -1 }},
		{"label out of range", func(s *Set) { s.Labels[3] = 3 }},
		{"short targets", func(s *Set) { s.Labels, s.Targets = nil, make([]float32, 2) }},
	}
	for _, c := range cases {
		s := byteSet(4, 3)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		c.damage(s)
		if err := s.Validate(); !errors.Is(err, ErrData) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	targets := &Set{N: 1, Outputs: 2, Targets: []float32{1, 2}}
	if err := targets.CheckOutputs(3); !errors.Is(err, ErrData) {
		t.Errorf("two targets for three outputs: %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	d := Data{Train: byteSet(300, 3), Test: byteSet(5, 3)}
	f := d.Fingerprint()
	// Golden: a change would make every worker refuse the runs of another version.
	const wantX = "02f9e93ff1642ceae1677a1b5505f1646a26efc7fe894f61392b7e442f36f817"
	if got := f.TrainX.String(); got != wantX {
		t.Errorf("TrainX %s, want %s", got, wantX)
	}
	partial := Data{Train: &Set{N: 300, Classes: 3, Outputs: 3, Labels: d.Train.Labels}}.Fingerprint()
	if !partial.TrainX.IsZero() || !partial.TestX.IsZero() || partial.TrainY != f.TrainY {
		t.Errorf("fingerprint of the labels alone: %v", partial)
	}
	if err := errors.Join(f.Check(f), f.Check(partial), partial.Check(f)); err != nil {
		t.Errorf("equal where both are present: %v", err)
	}
	changes := map[string]func(*Set){
		"training features": func(s *Set) { s.Bytes[599]++ },
		"training labels":   func(s *Set) { s.Labels[299] = 1 - s.Labels[299]%2 },
	}
	for name, change := range changes {
		other := Data{Train: byteSet(300, 3), Test: d.Test}
		change(other.Train)
		if err := f.Check(other.Fingerprint()); !errors.Is(err, ErrOtherData) || !strings.Contains(err.Error(), name) {
			t.Errorf("changed %s: %v", name, err)
		}
	}
	reshaped := byteSet(300, 3)
	reshaped.Shape = []int{2, 1}
	if f.Check(Data{Train: reshaped}.Fingerprint()) == nil {
		t.Error("another shape, the same fingerprint")
	}
}
