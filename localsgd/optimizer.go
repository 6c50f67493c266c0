package localsgd

import (
	"fmt"
	"math"
	"path"
	"slices"
	"sort"

	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// updater is an optimizer of one task. Its Gradient updates the parameters of the piece that it gets.
type updater[F kernel.Float] interface {
	relu.Sink[F]
	begin()         // begins a step
	decays(on bool) // switches weight decay until the next begin
}

// begin implements updater.
func (s *sgdSink[F]) begin() { s.step.Decay = s.decay }

// decays implements updater.
func (s *sgdSink[F]) decays(on bool) {
	s.step.Decay = 0
	if on {
		s.step.Decay = s.decay
	}
}

// optimizer turns the gradients of a task's steps into updates: the updater behind whatever has to come before it. Without
// globs, penalties and clipping the updater gets the pieces from the backward pass itself. Linear layers and convolutions take
// the steps themselves (first is a relu.Stepper) exactly if that is SGD, nothing is clipped, added or corrected, no velocity
// is kept and the globs fit none of their tensors.
type optimizer[F kernel.Float] struct {
	local Local
	sgd   sgdSink[F]
	adam  adamSink[F]

	updater[F]
	chosen  *chosenSink[F]   // with globs
	correct *correctSink[F]  // with a pull, control variates or velocities that are kept
	paths   *pathNormSink[F] // with a penalty
	clip    *clipSink[F]     // with a bound
	first   relu.Sink[F]
}

func newOptimizer[F kernel.Float](net *relu.Network, local Local) *optimizer[F] {
	o := &optimizer[F]{local: local}
	layout := net.Layout()
	o.updater = &o.sgd
	if local.AdamW != nil {
		o.updater = &o.adam
	}
	o.first = o.updater
	if len(local.Freeze)+len(local.noDecay()) > 0 {
		o.chosen = newChosenSink(layout, local, o.updater)
		o.first = o.chosen
		if local.AdamW == nil && o.chosen.spares(net) {
			o.first = &steppingSink[F]{o.chosen, &o.sgd}
		}
	}
	if local.ProxMu != 0 || local.Controls != 0 || local.keepsMomentum() {
		o.correct = &correctSink[F]{next: o.first, mu: F(local.ProxMu)}
		o.first = o.correct
	}
	if local.PathNorm > 0 {
		o.paths = newPathNormSink(net, local.PathNorm, o.first)
		o.first = o.paths
	}
	if local.ClipNorm > 0 {
		o.clip = newClipSink(layout, local, o.first)
		o.first = o.clip
	}
	return o
}

// reset begins a task that works on params.
func (o *optimizer[F]) reset(round int, params []F) {
	if o.paths != nil {
		o.paths.params = params
	}
	if o.local.AdamW != nil {
		a := *o.local.AdamW
		a.LR = o.local.rate(a.LR, round)
		o.adam.reset(a, params)
		return
	}
	s := o.local.SGD
	s.LR = o.local.rate(s.LR, round)
	o.sgd.reset(s, params)
}

// begin begins a step and returns what its backward pass hands the gradient to.
func (o *optimizer[F]) begin() relu.Sink[F] {
	o.updater.begin()
	if o.paths != nil {
		o.paths.begin()
	}
	return o.first
}

// finish ends a step, after the backward pass.
func (o *optimizer[F]) finish() {
	if o.clip != nil {
		o.clip.finish()
	}
}

// chosenSink leaves frozen tensors as they are, and decays only those that may be.
type chosenSink[F kernel.Float] struct {
	next          updater[F]
	ends          []int // of the tensors in the block, ascending
	frozen, plain []bool
}

func newChosenSink[F kernel.Float](layout *tensor.Layout, local Local, next updater[F]) *chosenSink[F] {
	s := &chosenSink[F]{next: next}
	for i := range layout.Len() {
		v := layout.At(i)
		s.ends = append(s.ends, v.Offset+v.Size)
		s.frozen = append(s.frozen, matches(local.Freeze, v.Name))
		s.plain = append(s.plain, matches(local.noDecay(), v.Name))
	}
	return s
}

// Gradient takes a piece, which lies within one tensor.
func (s *chosenSink[F]) Gradient(offset int, g []F) {
	i := sort.SearchInts(s.ends, offset+1)
	if s.frozen[i] {
		return
	}
	s.next.decays(!s.plain[i])
	s.next.Gradient(offset, g)
}

// spares tells whether the globs fit no tensor of a layer that can take the step itself.
func (s *chosenSink[F]) spares(net *relu.Network) bool {
	for i := range s.ends {
		if (s.frozen[i] || s.plain[i]) && net.Steps(i) {
			return false
		}
	}
	return true
}

// steppingSink is a chosenSink that spares the layers that can take the step themselves.
type steppingSink[F kernel.Float] struct {
	*chosenSink[F]
	sgd *sgdSink[F]
}

// SGD implements relu.Stepper. Whatever tensor came before, those of the layers that ask decay.
func (s *steppingSink[F]) SGD() *kernel.SGD[F] {
	s.sgd.decays(true)
	return s.sgd.SGD()
}

// clipSink keeps a step's gradient until it is whole, and hands it on with a norm of at most bound, as
// torch.nn.utils.clip_grad_norm_ does. Frozen tensors do not count.
type clipSink[F kernel.Float] struct {
	next   relu.Sink[F]
	bound  float64
	counts []tensor.View
	grad   []F
}

func newClipSink[F kernel.Float](layout *tensor.Layout, local Local, next relu.Sink[F]) *clipSink[F] {
	s := &clipSink[F]{next: next, bound: local.ClipNorm, grad: make([]F, layout.Size())}
	for i := range layout.Len() {
		if v := layout.At(i); !v.Buffer && !matches(local.Freeze, v.Name) {
			s.counts = append(s.counts, v)
		}
	}
	return s
}

// Gradient takes a piece.
func (s *clipSink[F]) Gradient(offset int, g []F) { copy(s.grad[offset:], g) }

func (s *clipSink[F]) finish() {
	square := 0.0
	for _, v := range s.counts {
		for _, g := range tensor.Of(s.grad, v) {
			square += float64(float64(g) * float64(g))
		}
	}
	factor := F(s.bound / (math.Sqrt(square) + 1e-6))
	for _, v := range s.counts {
		g := tensor.Of(s.grad, v)
		if factor < 1 {
			for i := range g {
				g[i] = F(g[i] * factor)
			}
		}
		s.next.Gradient(v.Offset, g)
	}
}

// LR returns the learning rate of the optimizer in use, before Rates and Warmup.
func (l *Local) LR() float64 {
	if l.AdamW != nil {
		return l.AdamW.LR
	}
	return l.SGD.LR
}

// noDecay returns the globs of the optimizer in use.
func (l *Local) noDecay() []string {
	if l.AdamW != nil {
		return l.AdamW.NoDecay
	}
	return l.SGD.NoDecay
}

// matches tells whether a glob of path.Match (whose * also stands for dots) matches the name.
func matches(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	})
}

// checkGlobs returns an error for a glob that is malformed or fits no tensor, which is a slip of the pen.
func (l *Local) checkGlobs(layout *tensor.Layout) error {
	for _, list := range []struct {
		name  string
		globs []string
	}{{"freeze", l.Freeze}, {"no_decay", l.noDecay()}, {"personal", l.Personal}} {
		for _, glob := range list.globs {
			if !slices.ContainsFunc(layout.Descs(), func(d tensor.Desc) bool { return matches([]string{glob}, d.Name) }) {
				return fmt.Errorf("%s: %q fits no tensor of the model", list.name, glob)
			}
		}
	}
	return nil
}
