package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// convStage executes a Conv2D on images that are channels last.
type convStage[F kernel.Float] struct {
	keeper[F, *kernel.Filters[F]]
	inputs, results int  // numbers of an example and of its output
	relu            bool // the next layer is a ReLU of slope 0, which is done here

	n      int // examples
	x      []F // the last input with zeros around it
	y, dx  []F // with kernel.Slack; dx is nil where no input gradient is needed
	around []F // room for x, nil where the input itself will do
	padded []F // room for the gradient with respect to the outputs with zeros around it, nil where that itself will do
}

func newConvStage[F kernel.Float](b *builder[F], l Conv2D, in []int) *convStage[F] {
	w, _ := l.window(in) // resolving has checked it
	s := &convStage[F]{inputs: w.inputs, results: w.positions * l.Out, relu: b.net.plainReLU(b.leaf + 1)}
	s.w = kernel.NewFilters[F](w.kernelWindow(), l.Out, l.Bias, b.want)
	s.place(b.net, b.leaf)
	s.y = make([]F, b.maxBatch*s.results+kernel.Slack)
	if s.w.Inputs() != s.inputs {
		s.around = make([]F, b.maxBatch*s.w.Inputs())
	}
	if b.want {
		s.dx = make([]F, b.maxBatch*s.inputs+kernel.Slack)
	}
	if s.w.Outputs() != s.results || l.Out%8 != 0 {
		s.padded = make([]F, b.maxBatch*s.w.Outputs()+kernel.Slack)
	}
	return s
}

func (s *convStage[F]) forward(params, x []F, n int) []F {
	s.load(params)
	s.n, s.x = n, s.w.PutInputs(s.around, x, n)
	s.w.Forward(s.y[:n*s.results+kernel.Slack], s.x, n, s.relu)
	return s.y[:n*s.results]
}

func (s *convStage[F]) backward(params, dy []F, want bool, sink Sink[F]) (dx []F) {
	dy = s.w.PutOutputs(s.padded, dy, s.n)
	if want {
		s.w.InputGradient(s.dx[:s.n*s.inputs+kernel.Slack], dy, s.n)
		dx = s.dx[:s.n*s.inputs]
	}
	if sgd, ok := s.step(sink); ok {
		s.w.Update(s.velocity, s.x, dy, s.n, sgd)
		return dx
	}
	s.handOver(dy, sink)
	s.reload(params)
	return dx
}

// handOver gives the gradient to the sink, the weights of some outputs at a time.
func (s *convStage[F]) handOver(dy []F, sink Sink[F]) {
	s.w.Gradient(s.x, dy, s.n)
	for p := range s.w.Panels() {
		first, rows, bias := s.w.Piece(p)
		sink.Gradient(s.weight+first*len(rows)/len(bias), rows)
		if s.biases > 0 {
			sink.Gradient(s.bias+first, bias)
		}
	}
}

// example returns example i's part of a batch of rows of this size.
func example[F kernel.Float](batch []F, i, size int) []F { return batch[i*size : (i+1)*size] }
