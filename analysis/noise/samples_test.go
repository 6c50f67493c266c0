package noise

import (
	"math"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// For a linear model with squared loss an example's gradient is (2/out) (Wx - y) x^T, whose norm is a product of two norms.
func TestSampleSizesOfALinearModel(t *testing.T) {
	const n, in, out = 7, 5, 3
	net, err := relu.New([]relu.Layer{relu.Linear{In: in, Out: out, Bias: true}}, []int{in}, relu.MSE)
	if err != nil {
		t.Fatal(err)
	}
	params := normal(1, net.Parameters())
	b := &relu.Batch[float32]{N: n, X: normal(2, n*in), Targets: normal(3, n*out)}
	weight, _ := net.Layout().Lookup("0.weight")
	bias, _ := net.Layout().Lookup("0.bias")
	want := 0.0
	for e := range n {
		x, square, residuals := b.X[e*in:][:in], 0.0, 0.0
		for o := range out {
			r := float64(params[bias.Offset+o]) - float64(b.Targets[e*out+o])
			for j, v := range x {
				r += float64(tensor.Of(params, weight)[o*in+j]) * float64(v)
			}
			residuals += r * r
		}
		for _, v := range x {
			square += float64(v) * float64(v)
		}
		want += 2. / out * math.Sqrt(residuals*square) / n
	}
	got := SampleSizes(relu.NewMachine[float32](net, n), net.Layout(), params, b)
	if len(got) != 1 || got[0].Name != "0.weight" {
		t.Fatalf("%+v", got)
	}
	near(t, "mean norm", &got[0].Mean, want, 1e-6)
}
