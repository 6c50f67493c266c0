package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Conv2D is a convolution over images [In, h, w], with zeros around them: torch.nn.Conv2d with a square kernel. Its tensors
// are weight [Out, In, Kernel, Kernel] and, if Bias, bias [Out].
type Conv2D struct {
	In, Out int // channels
	Kernel  int
	Stride  int // from 1
	Padding int // zeros at each side, from 0
	Bias    bool
}

// MaxPool2D takes the largest number of each square window; of equal ones the first, row by row, gets the gradient. What is
// left at the right and below, too small for a window, is left out.
type MaxPool2D struct {
	Kernel, Stride int
}

// AvgPool2D takes the mean of each square window, with the windows of MaxPool2D.
type AvgPool2D struct {
	Kernel, Stride int
}

// GlobalAvgPool2D takes the mean of each channel: [c, h, w] becomes [c].
type GlobalAvgPool2D struct{}

// Flatten makes one dimension of all.
type Flatten struct{}

// window is how a square kernel goes over an image.
type window struct {
	channels, height, width    int // of the input
	kernel, stride, padding    int
	outHeight, outWidth        int
	inputs, positions, patches int // per example; per channel of the output; numbers under the kernel in all channels
}

func newWindow(in []int, kernel, stride, padding int) (window, error) {
	switch {
	case len(in) != 3:
		return window{}, fmt.Errorf("takes images [channels, height, width], but gets shape %v", in)
	case kernel < 1 || stride < 1 || padding < 0:
		return window{}, fmt.Errorf("kernel %d, stride %d, padding %d: must be at least 1, 1 and 0", kernel, stride, padding)
	case kernel > in[1]+2*padding || kernel > in[2]+2*padding || padding > 1<<24:
		return window{}, fmt.Errorf("a kernel of %d is larger than the image of shape %v with padding %d", kernel, in, padding)
	}
	w := window{channels: in[0], height: in[1], width: in[2], kernel: kernel, stride: stride, padding: padding}
	w.outHeight = (in[1]+2*padding-kernel)/stride + 1
	w.outWidth = (in[2]+2*padding-kernel)/stride + 1
	w.inputs, w.positions, w.patches = product(in), w.outHeight*w.outWidth, in[0]*kernel*kernel
	return w, nil
}

// kernelWindow is the window as kernels take it.
func (w *window) kernelWindow() kernel.Window {
	return kernel.Window{
		Channels: w.channels, Height: w.height, Width: w.width,
		Kernel: w.kernel, Stride: w.stride, Padding: w.padding, OutHeight: w.outHeight, OutWidth: w.outWidth,
	}
}

func (l Conv2D) window(in []int) (window, error) {
	w, err := newWindow(in, l.Kernel, l.Stride, l.Padding)
	if err != nil {
		return w, fmt.Errorf("conv2d: %w", err)
	}
	return w, nil
}

func (l Conv2D) resolve(in []int, p *plan) ([]int, error) {
	w, err := l.window(in)
	switch {
	case err != nil:
		return nil, err
	case l.In < 1 || l.Out < 1:
		return nil, fmt.Errorf("conv2d from %d to %d channels: both must be at least 1", l.In, l.Out)
	case l.In != w.channels:
		return nil, fmt.Errorf("conv2d takes %d channels, but gets %d (shape %v)", l.In, w.channels, in)
	}
	tensors := affine([]int{l.Out, l.In, l.Kernel, l.Kernel}, w.patches, l.Out*l.Kernel*l.Kernel, l.Bias)
	for i := range tensors {
		tensors[i].positions = w.outHeight * w.outWidth
	}
	p.add(tensors...)
	return []int{l.Out, w.outHeight, w.outWidth}, nil
}

// poolWindow is newWindow for pools, which have no padding.
func poolWindow(name string, in []int, kernel, stride int) (window, error) {
	w, err := newWindow(in, kernel, stride, 0)
	if err != nil {
		return w, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

func (w window) pooled() []int { return []int{w.channels, w.outHeight, w.outWidth} }

func (l MaxPool2D) window(in []int) (window, error) {
	return poolWindow("max_pool2d", in, l.Kernel, l.Stride)
}

func (l MaxPool2D) resolve(in []int, _ *plan) ([]int, error) {
	w, err := l.window(in)
	return w.pooled(), err
}

func (l AvgPool2D) window(in []int) (window, error) {
	return poolWindow("avg_pool2d", in, l.Kernel, l.Stride)
}

func (l AvgPool2D) resolve(in []int, _ *plan) ([]int, error) {
	w, err := l.window(in)
	return w.pooled(), err
}

func (GlobalAvgPool2D) resolve(in []int, _ *plan) ([]int, error) {
	if len(in) != 3 {
		return nil, fmt.Errorf("global_avg_pool2d takes images [channels, height, width], but gets shape %v", in)
	}
	return in[:1], nil
}

func (Flatten) resolve(in []int, _ *plan) ([]int, error) { return []int{product(in)}, nil }
