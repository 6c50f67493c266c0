package relu

import "github.com/fedrelu/fedrelu/internal/kernel"

// order are parameters of a layer in the order that its kernels, K, want.
type order[F kernel.Float, K any] interface {
	Load(weight, bias []F)
	Save(weight, bias []F)
	Borrow(K)
	Clear()
	Like() K // zeros of the same shape
}

// keeper has a layer's parameters in the order of its kernels: a copy, taken at every forward pass, or only once where the
// machine holds the parameters.
type keeper[F kernel.Float, K order[F, K]] struct {
	weight, weights int // offset in the block, and how many there are
	bias, biases    int // likewise; none without biases

	w, velocity K
	held        bool
	stepped     bool // since it is held: w is newer than the block
	velocities  bool // there is a velocity
	moving      bool // it is that of this hold
}

// place notes where the parameters of layer i of the network are.
func (k *keeper[F, K]) place(n *Network, i int) {
	weight := n.layout.At(n.first[i])
	k.weight, k.weights = weight.Offset, weight.Size
	if next := n.first[i] + 1; next < n.layout.Len() && (i+1 == len(n.first) || next < n.first[i+1]) {
		bias := n.layout.At(next)
		k.bias, k.biases = bias.Offset, bias.Size
	}
}

// tensors returns the layer's part of the block; b is nil without biases.
func (k *keeper[F, K]) tensors(params []F) (w, b []F) {
	if k.biases > 0 {
		b = params[k.bias:][:k.biases]
	}
	return params[k.weight:][:k.weights], b
}

// hold takes the weights for more than one pass; velocities start anew.
func (k *keeper[F, K]) hold(params []F) {
	k.w.Load(k.tensors(params))
	k.held, k.stepped, k.moving = true, false, false
}

// borrow uses the copy that the same layer holds in another machine.
func (k *keeper[F, K]) borrow(from stage[F]) {
	k.w.Borrow(from.(interface{ kept() K }).kept())
	k.held, k.stepped, k.moving = true, false, false
}

func (k *keeper[F, K]) kept() K { return k.w }

// write puts the weights back, and keeps them.
func (k *keeper[F, K]) write(params []F) { k.w.Save(k.tensors(params)) }

// release puts the weights back, if there is a place.
func (k *keeper[F, K]) release(params []F) {
	if params != nil {
		k.write(params)
	}
	k.held = false
}

// load takes the weights for a forward pass.
func (k *keeper[F, K]) load(params []F) {
	if !k.held {
		k.w.Load(k.tensors(params))
	}
}

// reload takes them after a sink got the gradient, which may have changed them.
func (k *keeper[F, K]) reload(params []F) {
	if k.held && !k.stepped {
		k.w.Load(k.tensors(params))
	}
}

// step returns what w is to be updated by, if the layer does that itself: see Stepper.
func (k *keeper[F, K]) step(sink Sink[F]) (*kernel.SGD[F], bool) {
	s, ok := sink.(Stepper[F])
	if !ok || !k.held {
		return nil, false
	}
	sgd := s.SGD()
	if sgd.Momentum != 0 && !k.moving {
		k.rest()
	}
	k.stepped = true
	return sgd, true
}

// rest sets the velocities to zero: momentum*0 + g is g, PyTorch's first step.
func (k *keeper[F, K]) rest() {
	if !k.velocities {
		k.velocity = k.w.Like()
	} else {
		k.velocity.Clear()
	}
	k.moving, k.velocities = true, true
}
