package shard

import "fmt"

// Number is the type of a network's inputs.
type Number interface{ float32 | float64 }

// Rows are the buffers that Gather fills, row i for the i-th example: X with Size numbers a row, Labels with one, Targets
// with Outputs. A nil buffer is left out.
type Rows[F Number] struct {
	X       []F
	Labels  []int32
	Targets []F
}

// scaled is what a byte stands for.
var scaled = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i) / 255
	}
	return t
}()

// Features writes example i into dst, which has at least Size elements. It panics if i is out of range or the features are
// not in this process.
func (s *Set) Features(dst []float32, i int) { features(s, dst, i) }

func features[F Number](s *Set, dst []F, i int) {
	size := s.Size()
	dst = dst[:size]
	if s.Bytes != nil {
		for j, v := range s.Bytes[i*size : (i+1)*size] {
			dst[j] = F(scaled[v])
		}
		return
	}
	if s.Values == nil {
		panic("shard: the features of this set were not loaded")
	}
	values := s.Values[i*size : (i+1)*size]
	if same, ok := any(dst).([]float32); ok {
		copy(same, values)
		return
	}
	for j, v := range values {
		dst[j] = F(v)
	}
}

// Gather writes the examples, which may repeat, into the rows of a batch. It allocates nothing. It panics if an index is
// out of range, a buffer too short, or what it asks for is not in this process.
func Gather[F Number](s *Set, examples []int32, into Rows[F]) {
	size := s.Size()
	for row, i := range examples {
		if into.X != nil {
			features(s, into.X[row*size:], int(i))
		}
		if into.Labels != nil {
			into.Labels[row] = s.Labels[i]
		}
		if into.Targets != nil {
			gatherTargets(s, into.Targets, row, int(i))
		}
	}
}

func gatherTargets[F Number](s *Set, dst []F, row, i int) {
	if s.Targets == nil {
		panic(fmt.Sprintf("shard: no targets in a set of %d classes", s.Classes))
	}
	dst = dst[row*s.Outputs:][:s.Outputs]
	for j, v := range s.Targets[i*s.Outputs : (i+1)*s.Outputs] {
		dst[j] = F(v)
	}
}
