package relu

import (
	"runtime"
	"testing"
)

// numbersOf returns the bound of Machine's documentation for a network of images, in numbers of 4 bytes for n examples.
func numbersOf(t *testing.T, c layerCase, n int) (numbers int) {
	t.Helper()
	shape := c.input
	numbers = n * 2 * product(shape)
	for _, l := range c.layers {
		out, err := l.resolve(shape, &plan{})
		if err != nil {
			t.Fatal(err)
		}
		examples, layers := memoryOf(l, shape, out)
		numbers += n*examples + layers
		shape = out
	}
	return numbers
}

// memoryOf returns what the documentation says of a layer: for each example and once.
func memoryOf(l Layer, shape, output []int) (example, once int) {
	in, out := product(shape), product(output)
	switch l := l.(type) {
	case Linear:
		params := (l.In + 8) * (l.Out + 7)
		return in + 2*out + 2*in, params + max(64*l.In, 32*l.Out) + 1000
	case Conv2D:
		around := (shape[1] + 2*l.Padding) * (shape[2] + 2*l.Padding) * l.In
		reach := 2 * l.Kernel / l.Stride
		beside := (output[1] + reach) * (output[2] + reach) * l.Out
		under := l.In * l.Kernel * l.Kernel
		params := (under + 1) * (l.Out + 7)
		return in + out + around + beside, 3*params + 64*under + 8*l.Kernel*l.Kernel*l.Out + (in+8*shape[1]*shape[2])/l.Stride + 1000
	case MaxPool2D:
		return in + 2*out, 100
	}
	return 0, 100
}

func TestMachinesOfImagesTakeTheMemoryTheySay(t *testing.T) {
	image := []int{3, 20, 17}
	for _, c := range []layerCase{
		{"cnn", []int{1, 28, 28}, CNN{Input: []int{1, 28, 28}, Output: 10}.Layers()},
		{"wide", image, []Layer{Conv2D{3, 33, 3, 1, 1, true}, ReLU{}, Conv2D{33, 16, 5, 1, 2, true}, head(16 * 340)}},
		{"strided", image, []Layer{Conv2D{3, 16, 7, 2, 3, true}, ReLU{}, Conv2D{16, 16, 3, 3, 1, true}, head(16 * 12)}},
		{"padded", image, []Layer{Conv2D{3, 8, 3, 1, 4, true}, Conv2D{8, 8, 2, 2, 9, false}, MaxPool2D{2, 2}, head(8 * 11 * 10)}},
	} {
		const n = 40
		net, err := New(c.layers, c.input, CrossEntropy)
		if err != nil {
			t.Fatal(c.name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := NewMachine[float32](net, n)
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(m)
		got, bound := int(after.TotalAlloc-before.TotalAlloc), 4*numbersOf(t, c, n)
		if got > bound+bound/50 || got < bound/3 {
			t.Errorf("%s: %d bytes, the documentation says %d", c.name, got, bound)
		}
	}
}
