package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Machine computes outputs, losses and gradients of one network for batches of bounded size. It holds all scratch memory
// and is used by one goroutine at a time. F is float32 for training; float64 serves finite differences and as an oracle.
//
// For each linear layer a machine holds a copy of its parameters, at most 64 In or 32 Out numbers of scratch memory, with
// momentum one velocity for each parameter, and for each of its maxBatch examples In numbers (none in the first layer) and
// 2 Out numbers; and, once, one batch.
type Machine[F kernel.Float] struct {
	net      *Network
	maxBatch int
	lowest   int // index of the first stage with parameters: below it no gradient is needed
	stages   []stage[F]
	dy       []F       // gradient with respect to the outputs
	grad     []float64 // gradient of one example's loss with respect to its outputs

	batch   Batch[F] // what Batch returns, cut from the three below
	x       []F
	labels  []int32
	targets []F
}

// stage executes one layer. Its forward may work in place on x and may keep x for backward.
type stage[F kernel.Float] interface {
	// forward returns the layer's output for the input x of n examples, valid until the next forward.
	forward(params, x []F, n int) []F
	// backward takes the gradient dy with respect to the output of the last forward, which it may change. It returns the
	// gradient with respect to the input if want, and after that hands the gradient of its parameters to the sink.
	backward(params, dy []F, want bool, sink Sink[F]) (dx []F)
}

// NewMachine returns a machine for batches of at most maxBatch examples. No method allocates memory afterwards.
func NewMachine[F kernel.Float](n *Network, maxBatch int) *Machine[F] {
	if maxBatch < 1 {
		panic(fmt.Sprintf("relu: machine for batches of %d examples", maxBatch))
	}
	m := &Machine[F]{
		net:      n,
		maxBatch: maxBatch,
		lowest:   len(n.layers),
		dy:       make([]F, maxBatch*n.outputs),
		grad:     make([]float64, n.outputs),
		x:        make([]F, maxBatch*n.Inputs()),
		labels:   make([]int32, maxBatch),
	}
	if n.loss == MSE {
		m.targets = make([]F, maxBatch*n.outputs)
	}
	for i := range n.layers {
		m.addStage(i)
	}
	return m
}

func (m *Machine[F]) addStage(i int) {
	switch l := m.net.layers[i].(type) {
	case Linear:
		m.lowest = min(m.lowest, i)
		m.stages = append(m.stages, newLinearStage[F](m.net, i, m.maxBatch, i > m.lowest))
	case ReLU:
		s := &reluStage[F]{slope: F(l.Slope), done: m.net.plainReLU(i)}
		if i+1 < len(m.net.layers) {
			_, before := m.net.layers[i+1].(Linear)
			s.undone = s.done && before
		}
		if i == 0 {
			s.room = make([]F, m.maxBatch*m.net.Inputs()) // the caller's inputs are not to be changed
		}
		m.stages = append(m.stages, s)
	default:
		panic(fmt.Sprintf("relu: no stage for %T", l))
	}
}

// holder is a stage that works on a copy of its parameters in an order of its own.
type holder[F kernel.Float] interface {
	hold(params []F)
	release(params []F) // nil: without writing
}

// Hold says that until Release every call has the parameters params and that nobody else changes them: layers may keep
// theirs in an order of their own, and with a Stepper update them there. Velocities start at zero.
func (m *Machine[F]) Hold(params []F) {
	m.checkParameters(params)
	for _, s := range m.stages {
		if h, ok := s.(holder[F]); ok {
			h.hold(params)
		}
	}
}

// Release ends what Hold began, and writes the parameters as they are now to params: those of Hold, or nil where no
// Stepper has changed them.
func (m *Machine[F]) Release(params []F) {
	if params != nil {
		m.checkParameters(params)
	}
	for _, s := range m.stages {
		if h, ok := s.(holder[F]); ok {
			h.release(params)
		}
	}
}

func (m *Machine[F]) checkParameters(params []F) {
	if len(params) != m.net.Parameters() {
		panic(fmt.Sprintf("relu: %d parameters for a network of %d", len(params), m.net.Parameters()))
	}
}

// Batch returns the machine's own batch, set to n examples (1 <= n <= maxBatch), for the caller to fill. Its slices have
// the lengths that Batch's documentation asks for and hold what was there before; Targets is nil unless the loss is MSE.
// To train MSE on labels set Targets to nil. It is valid until the next call of Batch.
func (m *Machine[F]) Batch(n int) *Batch[F] {
	m.checkSize(n)
	m.batch = Batch[F]{N: n, X: m.x[:n*m.net.Inputs()], Labels: m.labels[:n]}
	if m.targets != nil {
		m.batch.Targets = m.targets[:n*m.net.outputs]
	}
	return &m.batch
}

func (m *Machine[F]) checkSize(n int) {
	if n < 1 || n > m.maxBatch {
		panic(fmt.Sprintf("relu: batch of %d examples in a machine for 1 to %d", n, m.maxBatch))
	}
}

// Forward returns the outputs (logits) for the batch, N x Outputs, valid until the machine's next call. Labels and targets
// are not looked at.
func (m *Machine[F]) Forward(params []F, b *Batch[F]) []F {
	m.checkSize(b.N)
	m.checkParameters(params)
	if len(b.X) != b.N*m.net.Inputs() {
		panic(fmt.Sprintf("relu: %d examples with %d inputs", b.N, len(b.X)))
	}
	x := b.X
	for _, s := range m.stages {
		x = s.forward(params, x, b.N)
	}
	return x
}

// Backward computes the batch's loss and the loss's gradient, which it hands to sink from the last layer to the first. A layer's gradient leaves only after the gradient
// with respect to its inputs has been computed, so the sink may change these parameters.
func (m *Machine[F]) Backward(params []F, b *Batch[F], sink Sink[F]) (loss float64) {
	y := m.Forward(params, b)
	m.net.check(b.N, len(b.Labels), len(b.Targets))
	dy := m.dy[:len(y)]
	loss = m.lossGradient(dy, y, b)
	for i := len(m.stages) - 1; i >= m.lowest; i-- {
		dy = m.stages[i].backward(params, dy, i > m.lowest, sink)
	}
	return loss
}

// Evaluate returns the sum (not the mean) of the examples' losses, and how many of them have their largest output at
// their label, where the lowest index wins ties and NaN never wins. Without labels correct is 0.
func (m *Machine[F]) Evaluate(params []F, b *Batch[F]) (lossSum float64, correct int) {
	y := m.Forward(params, b)
	m.net.check(b.N, len(b.Labels), len(b.Targets))
	out := m.net.outputs
	for i := range b.N {
		lossSum += m.exampleLoss(y[i*out:(i+1)*out], b, i)
	}
	if !b.hasTargets(m.net.loss) {
		correct = countCorrect(y, b.Labels, out)
	}
	return lossSum, correct
}
