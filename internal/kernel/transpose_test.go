package kernel

import "testing"

// Every shape up to a few blocks of 8x8, with and without a mask, against the definition; what lies around stays.
func TestTranspose(t *testing.T) {
	const most, outside = 27, -1
	eachKernel(t, func(t *testing.T) {
		src, mask := make([]float32, most*most), make([]float32, most*(most+1))
		for i := range src {
			src[i] = float32(i + 1)
		}
		for i := range mask {
			mask[i] = float32(i%5 - 2)
		}
		for rows := 1; rows <= most; rows++ {
			for columns := 1; columns <= most; columns++ {
				checkTransposed(t, src, nil, rows, columns, outside)
				checkTransposed(t, src, mask, rows, columns, outside)
			}
		}
	})
}

func checkTransposed(t *testing.T, src, mask []float32, rows, columns int, outside float32) {
	t.Helper()
	width := rows + 1
	dst := make([]float32, columns*width)
	for i := range dst {
		dst[i] = outside
	}
	to, from := matrix[float32]{x: dst, row: width}, matrix[float32]{x: src, row: columns}
	if mask == nil {
		transpose(to, from, rows, columns)
	} else {
		transposeMasked(to, matrix[float32]{x: mask[:len(dst)]}, from, rows, columns)
	}
	for at, got := range dst {
		i, j, want := at%width, at/width, outside
		if i < rows {
			want = src[i*columns+j]
			if mask != nil {
				want = masked(want, mask[at])
			}
		}
		if got != want {
			t.Fatalf("%d rows of %d, masked %t: %v in row %d, column %d of the transposed, want %v", rows, columns, mask != nil, got, j, i, want)
		}
	}
}
