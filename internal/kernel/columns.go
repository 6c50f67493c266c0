package kernel

// Columns are the features of a batch norm: column f of matrices whose rows are as long as Sum. Everything is computed in
// float64, with one rounding for each operation, down the rows in order.
type Columns[F Float] struct {
	A, B, C      []float64 // numbers of the features: see the methods
	Weight, Bias []F

	call columns // the one being made
}

// columns is Columns as assembly takes it: 8 features and so many rows, stride bytes apart. tools/kernelasm knows the
// offsets of its fields.
type columns struct {
	x, hat, y    *float32
	a, b, c      *float64
	weight, bias *float32
	rows, stride int
}

// columnKernels are the methods of Columns for 8 features in assembly, in the order of these constants.
type columnKernels [5]func(*columns)

const (
	columnsSum = iota
	columnsSquares
	columnsNormalise
	columnsGradients
	columnsBack
)

// Sum adds the numbers of x to A.
func (k *Columns[F]) Sum(x []F) { k.run(columnsSum, x, x, x) }

// Squares adds the squared distances of x from B to A.
func (k *Columns[F]) Squares(x []F) { k.run(columnsSquares, x, x, x) }

// Normalise sets hat to (x-A) B, and y to hat Weight + Bias.
func (k *Columns[F]) Normalise(y, hat, x []F) { k.run(columnsNormalise, x, hat, y) }

// Gradients adds the numbers of dy to A, and the products of dy and hat to B.
func (k *Columns[F]) Gradients(dy, hat []F) { k.run(columnsGradients, dy, hat, dy) }

// Back replaces dy by (dy - (A + hat B)) C.
func (k *Columns[F]) Back(dy, hat []F) { k.run(columnsBack, dy, hat, dy) }

// rowsOfColumns bounds the rows of one call of assembly.
const rowsOfColumns = 1 << 17

// run does a method with the kernel in use, and the features that are left over with its twin.
func (k *Columns[F]) run(method int, x, hat, y []F) {
	n := len(k.A)
	if len(x)%n != 0 || len(hat) < len(x) || len(y) < len(x) {
		panic("kernel: columns of unfitting lengths")
	}
	from := 0
	if all := inUse.Load().columns; all != nil {
		if c, ok := any(k).(*Columns[float32]); ok {
			for ; from+8 <= n; from += 8 {
				c.assembly(all[method], from, any(x).([]float32), any(hat).([]float32), any(y).([]float32))
			}
		}
	}
	for at := 0; at < len(x) && from < n; at += n {
		k.row(method, from, x[at:][:n], hat[at:][:n], y[at:][:n])
	}
}

// assembly does 8 features from f on.
func (k *Columns[F]) assembly(run func(*columns), f int, x, hat, y []float32) {
	first := func(x []float64) *float64 {
		if x == nil {
			return nil
		}
		return &x[f : f+8][0]
	}
	n := len(k.A)
	k.call = columns{a: first(k.A), b: first(k.B), c: first(k.C), stride: 4 * n}
	if k.Weight != nil {
		k.call.weight, k.call.bias = address(k.Weight[:f+8], f), address(k.Bias[:f+8], f)
	}
	for at := 0; at < len(x); at += rowsOfColumns * n {
		k.call.x, k.call.hat, k.call.y = &x[at+f], &hat[at+f], &y[at+f]
		k.call.rows = min(rowsOfColumns, (len(x)-at)/n)
		run(&k.call)
	}
}

// row is the portable twin: a row's features from `from` on.
func (k *Columns[F]) row(method, from int, x, hat, y []F) {
	for f := from; f < len(x); f++ {
		v := float64(x[f])
		switch method {
		case columnsSum:
			k.A[f] += v
		case columnsSquares:
			d := v - k.B[f]
			k.A[f] += float64(d * d)
		case columnsNormalise:
			hat[f] = F((v - k.A[f]) * k.B[f])
			y[f] = F(hat[f]*k.Weight[f]) + k.Bias[f]
		case columnsGradients:
			k.A[f] += v
			k.B[f] += float64(v * float64(hat[f]))
		case columnsBack:
			y[f] = F((v - (k.A[f] + float64(float64(hat[f])*k.B[f]))) * k.C[f])
		}
	}
}
