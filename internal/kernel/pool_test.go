package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawPool(t *rapid.T) *Window {
	draw := func(from, to int, name string) int { return rapid.IntRange(from, to).Draw(t, name) }
	w := &Window{Height: draw(2, 9, "height"), Width: draw(2, 9, "width"), Kernel: 2, Stride: 2}
	w.Channels = rapid.SampledFrom([]int{1, 3, 8, 16, 24}).Draw(t, "channels")
	if rapid.Bool().Draw(t, "general") {
		w.Kernel, w.Stride = draw(1, min(w.Height, w.Width), "kernel"), draw(1, 4, "stride")
	}
	w.OutHeight, w.OutWidth = (w.Height-w.Kernel)/w.Stride+1, (w.Width-w.Kernel)/w.Stride+1
	return w
}

// drawPixels has few values, so that many are equal, and some that are no numbers.
func drawPixels[F Float](t *rapid.T, label string, n int) []F {
	x := drawNumbers[F](t, label, n)
	for i, v := range x {
		switch b := math.Float64bits(float64(v)) >> 40 % 8; {
		case b == 0:
			x[i] = F(math.NaN())
		case b < 5:
			x[i] = F(int(b) - 2)
		}
	}
	return x
}

func checkPool[F Float](t *rapid.T) {
	w := drawPool(t)
	outputs := w.OutHeight * w.OutWidth * w.Channels
	image, dy := drawPixels[F](t, "image", w.Height*w.Width*w.Channels), drawNumbers[F](t, "dy", outputs)
	before := drawNumbers[F](t, "dx", len(image)) // of another batch
	y, dx, places := make([]F, outputs), make([]F, len(image)), make([]int32, outputs)
	wantY, wantDX, wantMasked, wantPlaces := make([]F, outputs), make([]F, len(image)), make([]F, len(image)), make([]int32, outputs)
	for o := range outputs {
		c, p := o%w.Channels, o/w.Channels
		at := func(i int) int {
			row, column := p/w.OutWidth*w.Stride+i/w.Kernel, p%w.OutWidth*w.Stride+i%w.Kernel
			return (row*w.Width+column)*w.Channels + c
		}
		best := 0
		for i := range w.Kernel * w.Kernel {
			if v := image[at(i)]; v > image[at(best)] || v != v {
				best = i
			}
		}
		wantY[o], wantPlaces[o] = image[at(best)], int32(best)
		wantDX[at(best)] += dy[o]
		if !(wantY[o] <= 0) {
			wantMasked[at(best)] += dy[o]
		}
	}
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		MaxPool(w, y, image, places)
		sameBits(t, "y", y, wantY)
		if !slices.Equal(places, wantPlaces) {
			t.Fatalf("%s: places %v, want %v", name, places, wantPlaces)
		}
		copy(dx, before)
		MaxPoolGradient(w, dx, dy, nil, places)
		sameZeros(t, "dx", dx, wantDX)
		copy(dx, before)
		MaxPoolGradient(w, dx, dy, y, places)
		sameZeros(t, "masked dx", dx, wantMasked)
	}
}

func TestPoolsEqualNaiveLoops(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	t.Run("float32", rapid.MakeCheck(checkPool[float32]))
	t.Run("float64", rapid.MakeCheck(checkPool[float64]))
}

// Every kernel gives the bits of the portable one, signs of zeros included.
func TestPoolsHaveEqualBits(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	w := &Window{Channels: 8, Height: 2, Width: 2, Kernel: 2, Stride: 2, OutHeight: 1, OutWidth: 1}
	zero := float32(math.Copysign(0, -1))
	for _, name := range Available() {
		if err := Use(name); err != nil {
			t.Fatal(err)
		}
		image, y, places := make([]float32, 32), make([]float32, 8), make([]int32, 8)
		for i := range image {
			image[i] = zero
		}
		MaxPool(w, y, image, places)
		dy := slices.Clone(y)
		MaxPoolGradient(w, image, dy, nil, places)
		for c := range 8 {
			if !math.Signbit(float64(y[c])) || !math.Signbit(float64(image[c])) || math.Signbit(float64(image[8+c])) {
				t.Fatalf("%s: %v, gradient %v", name, y, image)
			}
		}
	}
}
