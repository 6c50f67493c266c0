package analysis

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/keyed"
)

// Eckart and Young: what is cut off has the norm of the singular values beyond the rank, and what is left has the others.
func TestTruncate(t *testing.T) {
	stream := keyed.New(1, "truncate")
	for _, c := range []struct{ rows, cols, rank int }{{7, 5, 3}, {5, 9, 1}, {6, 6, 6}, {4, 6, 9}, {5, 5, 0}} {
		matrix := make([]float32, c.rows*c.cols)
		for i := range matrix {
			matrix[i] = float32(stream.Normal())
		}
		var w Workspace
		before := slices.Clone(values(t, &w, matrix, c.rows, c.cols))
		cut := make([]float32, len(matrix))
		if err := Truncate(cut, matrix, c.rows, c.cols, c.rank); err != nil {
			t.Fatal(err)
		}
		off := 0.0
		for i, v := range matrix {
			off += (float64(v) - float64(cut[i])) * (float64(v) - float64(cut[i]))
		}
		kept := min(c.rank, len(before))
		if want := Frobenius(before[kept:]); math.Abs(math.Sqrt(off)-want) > 1e-5 {
			t.Errorf("%+v: cut off %g, want %g", c, math.Sqrt(off), want)
		}
		for i, s := range values(t, &w, cut, c.rows, c.cols) {
			want := 0.0
			if i < kept {
				want = before[i]
			}
			if math.Abs(s-want) > 1e-5 {
				t.Errorf("%+v: singular value %d is %g, want %g", c, i, s, want)
			}
		}
		if err := Truncate(matrix, matrix, c.rows, c.cols, c.rank); err != nil || !slices.Equal(matrix, cut) {
			t.Errorf("%+v: in place is otherwise (%v)", c, err)
		}
	}
	if err := Truncate(make([]float32, 1), []float32{float32(math.NaN())}, 1, 1, 1); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
}
