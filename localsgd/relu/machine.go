package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// Machine computes outputs, losses and gradients of one network for batches of bounded size. It holds all scratch memory
// and is used by one goroutine at a time. F is float32 for training; float64 serves finite differences and as an oracle.
//
// Modes. Backward works in training mode: batch norm normalises by the batch, and the machine moves the running statistics
// in the params block it is given. Forward, Evaluate and Probe work in evaluation mode: batch norm uses the running
// statistics, and nothing in the block is written. Without batch norm the modes are the same.
//
// For each of its maxBatch examples a machine holds, once, the example and the gradient of its outputs, and by layers of
// `in` inputs and `out` outputs per example: linear in + 3 out; conv2d in + out, the input with its zeros around it, and the
// gradient of the outputs with up to 2 Kernel/Stride rows and columns of zeros; avg_pool2d in + out, max_pool2d these and out
// indices, norms and softplus 2 in, residual 2 out; relu and scale nothing, but in where they come first; 2 in where images
// of several channels meet a layer that sees none, or the machine's inputs and outputs, to change their order. The first
// layers with parameters and those before need in less. Besides, a linear layer holds a copy of its parameters, at most
// 64 In + max(32 Out, min(128 In, 2^15) + 2^12) numbers of scratch memory, and with momentum one velocity for each parameter; a conv2d of u = In Kernel Kernel
// numbers under the kernel, its channels rounded up to multiples of 8, at most 3 (u+1) Out + 64 u, with a stride in/Stride
// more, and with momentum its velocities too.
type Machine[F kernel.Float] struct {
	net      *Network
	maxBatch int
	mode     mode
	watcher  Watcher[F] // nil: nobody
	stages   *sequence[F]
	dy       []F       // gradient with respect to the outputs
	grad     []float64 // gradient of one example's loss with respect to its outputs

	batch   Batch[F] // what Batch returns, cut from the three below
	x       []F
	labels  []int32
	targets []F
}

// mode says by what batch norm normalises.
type mode int

const (
	evaluation mode = iota
	training
)

// stage executes one layer. Its forward may keep x for backward. It may work in place on x only where builder.own says that
// whoever made x does not look at it again, and must not look at its own output again itself (but see reluStage).
type stage[F kernel.Float] interface {
	// forward returns the layer's output for the input x of n examples, valid until the next forward.
	forward(params, x []F, n int) []F
	// backward takes the gradient dy with respect to the output of the last forward, which it may change. It returns the
	// gradient with respect to the input if want, and after that hands the gradient of its parameters to the sink.
	backward(params, dy []F, want bool, sink Sink[F]) (dx []F)
}

// NewMachine returns a machine for batches of at most maxBatch examples. No method allocates memory afterwards, but
// for the velocities at the first step of a Stepper with momentum.
func NewMachine[F kernel.Float](n *Network, maxBatch int) *Machine[F] {
	if maxBatch < 1 {
		panic(fmt.Sprintf("relu: machine for batches of %d examples", maxBatch))
	}
	m := &Machine[F]{
		net:      n,
		maxBatch: maxBatch,
		dy:       make([]F, maxBatch*n.outputs),
		grad:     make([]float64, n.outputs),
		x:        make([]F, maxBatch*n.Inputs()),
		labels:   make([]int32, maxBatch),
	}
	if n.loss == MSE {
		m.targets = make([]F, maxBatch*n.outputs)
	}
	b := builder[F]{net: n, maxBatch: maxBatch, mode: &m.mode, watcher: &m.watcher, shape: n.input}
	m.stages = b.sequence(n.top)
	b.turn(m.stages, false)
	return m
}

// Join lets the members of a team who have nothing else to do share the machine's large products, from now on; nil or a team
// of one: nobody does. No result depends on it. For each other member a linear layer with an input gradient holds
// max(32 Out, min(128 In, 2^15) + 2^12) numbers of scratch memory.
func (m *Machine[F]) Join(t *kernel.Team) { m.stages.join(t) }

// holder is a stage that works on a copy of its parameters in an order of its own.
type holder[F kernel.Float] interface {
	hold(params []F)
	write(params []F)
	release(params []F) // nil: without writing
	borrow(from stage[F])
}

// Hold says that until Release every call has the parameters params and that nobody else changes them: layers may keep
// theirs in an order of their own, and with a Stepper update them there. Velocities start at zero. What a Stepper has updated
// so is out of date in params until Release, and other sinks must not change it: they only collect, as Probe's do.
func (m *Machine[F]) Hold(params []F) {
	m.checkParameters(params)
	m.stages.hold(params)
}

// Borrow is Hold for a machine that computes outputs beside another one of the same network, which holds the parameters: it
// uses the other's copies, without changing them, until its own Release(nil). Its own copies are given up, so it can do
// nothing else afterwards but borrow again.
func (m *Machine[F]) Borrow(from *Machine[F]) {
	if m.net != from.net {
		panic("relu: borrowing from a machine of another network")
	}
	m.stages.borrow(from.stages)
}

// Write writes the parameters as they are now to params, those of Hold, and goes on holding them: what a Stepper does with them
// afterwards is the same with and without it.
func (m *Machine[F]) Write(params []F) {
	m.checkParameters(params)
	m.stages.write(params)
}

// Release ends what Hold began, and writes the parameters as they are now to params: those of Hold, or nil where no
// Stepper has changed them.
func (m *Machine[F]) Release(params []F) {
	if params != nil {
		m.checkParameters(params)
	}
	m.stages.release(params)
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

// Forward returns the outputs (logits) for the batch in evaluation mode, N x Outputs, valid until the machine's next call.
// Labels and targets are not looked at.
func (m *Machine[F]) Forward(params []F, b *Batch[F]) []F {
	m.mode = evaluation
	return m.forward(params, b)
}

func (m *Machine[F]) forward(params []F, b *Batch[F]) []F {
	m.checkSize(b.N)
	m.checkParameters(params)
	if len(b.X) != b.N*m.net.Inputs() {
		panic(fmt.Sprintf("relu: %d examples with %d inputs", b.N, len(b.X)))
	}
	return m.stages.forward(params, b.X, b.N)
}

// Backward computes the batch's loss and the loss's gradient in training mode, and hands the gradient to sink from the last
// layer to the first, of a residual layer the body, then the shortcut: for each linear layer and convolution some rows of the
// weight with their biases at a time, for others the whole weight, then the bias. A layer's gradient leaves only after the
// gradient with respect to its inputs has been computed, so the sink may change these parameters. Buffers have no gradient:
// the machine itself moves them, before any gradient leaves. The batch must have at least Network.LeastBatch examples.
func (m *Machine[F]) Backward(params []F, b *Batch[F], sink Sink[F]) (loss float64) {
	if b.N < m.net.leastBatch {
		panic(fmt.Sprintf("relu: training on a batch of %d examples, want at least %d for batch norm", b.N, m.net.leastBatch))
	}
	m.mode = training
	return m.backward(params, b, sink)
}

// Probe is Backward in evaluation mode: the gradient of the loss that Evaluate measures, for measurements. It writes
// nothing to params (what sink does is its own affair) and takes batches of any size.
func (m *Machine[F]) Probe(params []F, b *Batch[F], sink Sink[F]) (loss float64) {
	m.mode = evaluation
	return m.backward(params, b, sink)
}

func (m *Machine[F]) backward(params []F, b *Batch[F], sink Sink[F]) (loss float64) {
	y := m.forward(params, b)
	m.net.check(b.N, len(b.Labels), len(b.Targets))
	dy := m.dy[:len(y)]
	loss = m.lossGradient(dy, y, b)
	m.stages.backward(params, dy, false, sink)
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
