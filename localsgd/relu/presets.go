package relu

// CNN is the convolutional network of McMahan et al. (PAPERS.md A1): two convolutions of 5x5 with 32 and 64 channels, each
// with its activation and a max pool of 2x2, a hidden layer of 512, and the output. For images of 28x28 in one channel
// and ten classes it has 1,663,370 parameters.
type CNN struct {
	Input  []int // [channels, height, width]
	Output int
}

// Layers returns the layers: the convolutions are 0 and 3, the linear layers 7 and 9. What does not fit shows in New.
func (c CNN) Layers() []Layer {
	if len(c.Input) != 3 {
		return []Layer{Conv2D{In: 1, Out: 32, Kernel: 5, Stride: 1, Padding: 2}} // refuses what is no image
	}
	pool := MaxPool2D{Kernel: 2, Stride: 2}
	return []Layer{
		Conv2D{In: c.Input[0], Out: 32, Kernel: 5, Stride: 1, Padding: 2, Bias: true}, ReLU{}, pool,
		Conv2D{In: 32, Out: 64, Kernel: 5, Stride: 1, Padding: 2, Bias: true}, ReLU{}, pool,
		Flatten{}, Linear{In: 64 * (c.Input[1] / 4) * (c.Input[2] / 4), Out: 512, Bias: true}, ReLU{},
		Linear{In: 512, Out: c.Output, Bias: true},
	}
}

// ResNet is the residual network of He et al. 2016 for small images: a convolution, stages of residual blocks of two
// convolutions of 3x3 with batch norm, a global average pool, and the output. Each stage after the first halves the image;
// where shapes change, the shortcut is a convolution of 1x1 with batch norm.
type ResNet struct {
	Input  []int // [channels, height, width]
	Output int
	Blocks int   // residual blocks a stage: 1, 2 and 3 make ResNet-8, -14 and -20 of three stages
	Widths []int // channels of each stage; [16, 32, 64] is the paper's
}

// Layers returns the layers: the first convolution is 0, the blocks are 3, 5, 7, ... What does not fit shows in New.
func (r ResNet) Layers() []Layer {
	if len(r.Input) == 0 || len(r.Widths) == 0 {
		return nil
	}
	in := r.Widths[0]
	layers := append(convolution(r.Input[0], in, 3, 1), ReLU{})
	for stage, width := range r.Widths {
		for block := range r.Blocks {
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			layers = append(layers, residualBlock(in, width, stride), ReLU{})
			in = width
		}
	}
	return append(layers, GlobalAvgPool2D{}, Linear{In: in, Out: r.Output, Bias: true})
}

// convolution returns a convolution that keeps the image's size, but for the stride, and its batch norm.
func convolution(in, out, kernel, stride int) []Layer {
	return []Layer{
		Conv2D{In: in, Out: out, Kernel: kernel, Stride: stride, Padding: kernel / 2},
		BatchNorm{Features: out, Dims: 2, Eps: DefaultEps, Momentum: DefaultMomentum},
	}
}

func residualBlock(in, out, stride int) Residual {
	body := append(convolution(in, out, 3, stride), ReLU{})
	r := Residual{Body: append(body, convolution(out, out, 3, 1)...)}
	if in != out || stride != 1 {
		r.Shortcut = convolution(in, out, 1, stride)
	}
	return r
}

// Shallow is a network of one hidden layer (PAPERS.md P5), with the skip connection that the theory asks for or without it.
type Shallow struct {
	Input, Width, Output int
	Slope                float64 // of the activation: 0 is ReLU
	Skip                 bool    // adds a linear function of the input, without a bias of its own
}

// Layers returns the layers: the linear ones are 0 and 2, with Skip 0.body.0, 0.body.2 and 0.shortcut.0.
func (s Shallow) Layers() []Layer {
	layers := MLP{Input: s.Input, Hidden: []int{s.Width}, Output: s.Output, Slope: s.Slope}.Layers()
	if s.Skip {
		return []Layer{Residual{Body: layers, Shortcut: []Layer{Linear{In: s.Input, Out: s.Output}}}}
	}
	return layers
}
