package relu

import "testing"

// Each example uses a convolution at its output positions (P1 1.1), every other weight once.
func TestPositions(t *testing.T) {
	n, err := New([]Layer{
		Conv2D{In: 1, Out: 2, Kernel: 3, Stride: 1, Bias: true}, ReLU{}, MaxPool2D{Kernel: 2, Stride: 2},
		Residual{Body: []Layer{Conv2D{In: 2, Out: 2, Kernel: 3, Stride: 2, Padding: 1}}, Shortcut: []Layer{Conv2D{In: 2, Out: 2, Kernel: 1, Stride: 2}}},
		Flatten{}, Linear{In: 8, Out: 3, Bias: true},
	}, []int{1, 10, 8}, CrossEntropy)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"0.weight": 48, "0.bias": 48, "3.body.0.weight": 4, "3.shortcut.0.weight": 4, "5.weight": 1, "5.bias": 1}
	for i := range n.Layout().Len() {
		if name := n.Layout().At(i).Name; n.Positions(i) != want[name] {
			t.Errorf("%s is used at %d positions, want %d", name, n.Positions(i), want[name])
		}
	}
}
