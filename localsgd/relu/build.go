package relu

import (
	"fmt"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

// sequence executes layers one after the other, and is itself a stage: the whole network, or a part of a residual layer.
type sequence[F kernel.Float] struct {
	stages []stage[F]
	lowest int // index of the first stage with parameters: below it a gradient is needed only where one is wanted
}

func (s *sequence[F]) forward(params, x []F, n int) []F {
	for _, st := range s.stages {
		x = st.forward(params, x, n)
	}
	return x
}

func (s *sequence[F]) backward(params, dy []F, want bool, sink Sink[F]) []F {
	end := s.lowest
	if want {
		end = 0
	}
	for i := len(s.stages) - 1; i >= end; i-- {
		dy = s.stages[i].backward(params, dy, want || i > end, sink)
	}
	return dy
}

// hold passes a holder's calls on.
func (s *sequence[F]) hold(params []F) {
	for _, st := range s.stages {
		if h, ok := st.(holder[F]); ok {
			h.hold(params)
		}
	}
}

// borrow pairs the stages with those of the same network in another machine.
func (s *sequence[F]) borrow(from *sequence[F]) {
	for i, st := range s.stages {
		if h, ok := st.(holder[F]); ok {
			h.borrow(from.stages[i])
		}
	}
}

// write passes a holder's calls on too.
func (s *sequence[F]) write(params []F) {
	for _, st := range s.stages {
		if h, ok := st.(holder[F]); ok {
			h.write(params)
		}
	}
}

// release passes a holder's calls on too.
func (s *sequence[F]) release(params []F) {
	for _, st := range s.stages {
		if h, ok := st.(holder[F]); ok {
			h.release(params)
		}
	}
}

// join lets a team share the work of stages that can be shared.
func (s *sequence[F]) join(t *kernel.Team) {
	for _, st := range s.stages {
		if j, ok := st.(interface{ join(*kernel.Team) }); ok {
			j.join(t)
		}
	}
}

// builder makes the stages of a network's layers in the order in which resolving has met them.
type builder[F kernel.Float] struct {
	net      *Network
	maxBatch int
	mode     *mode
	watcher  *Watcher[F]
	leaf     int // of the next layer without layers inside
	active   int // activations before the next layer

	shape []int // of one example at the next layer
	last  bool  // its numbers are channels last: see turnStage
	own   bool  // the next layer's input belongs to a stage that does not look at it again: it may be overwritten
	want  bool  // the next layer needs the gradient with respect to its input
}

// sequence makes the stages of layers.
func (b *builder[F]) sequence(layers []Layer) *sequence[F] {
	s := &sequence[F]{lowest: -1}
	for _, l := range layers {
		before := b.params()
		b.arrange(s, l)
		if r, ok := l.(Residual); ok {
			s.stages = append(s.stages, b.residual(r))
		} else {
			s.stages = append(s.stages, b.watched(l, b.stage(l)))
			b.leaf++
		}
		if b.params() > before {
			if s.lowest < 0 {
				s.lowest = len(s.stages) - 1
			}
			b.want = true
		}
	}
	if s.lowest < 0 {
		s.lowest = len(s.stages)
	}
	return s
}

// params returns how many tensors the layers before the next one have.
func (b *builder[F]) params() int {
	if b.leaf == len(b.net.first) {
		return len(b.net.params)
	}
	return b.net.first[b.leaf]
}

// stage makes the stage of a layer without layers inside, and moves on to what the layer gives.
func (b *builder[F]) stage(l Layer) stage[F] {
	in := b.shape
	var err error
	if b.shape, err = l.resolve(in, &plan{}); err != nil {
		panic("relu: a network that was resolved: " + err.Error())
	}
	own := b.own
	if _, same := l.(Flatten); !same {
		b.own = true
	}
	switch l := l.(type) {
	case Linear:
		return newLinearStage[F](b.net, b.leaf, b.maxBatch, b.want)
	case ReLU:
		return b.relu(l, b.room(own, in))
	case Flatten:
		return flattenStage[F]{}
	case Scale:
		return &scaleStage[F]{factor: F(l.Factor), room: b.room(own, in)}
	case Softplus:
		return &softplusStage[F]{y: b.numbers(in), slope: b.numbers(in)}
	case BatchNorm:
		return newBatchNormStage(b, l, in)
	case LayerNorm:
		return newNormStage(b, product(in)/l.Features, l.Eps, in, l.unit)
	case GroupNorm:
		return newNormStage(b, l.Groups, l.Eps, in, l.unit(in))
	}
	return b.spatial(l, in)
}

func (b *builder[F]) relu(l ReLU, room []F) *reluStage[F] {
	return &reluStage[F]{slope: F(l.Slope), room: room, done: b.net.plainReLU(b.leaf), undone: b.net.masks(b.leaf + 1)}
}

// spatial makes the stage of a layer of images.
func (b *builder[F]) spatial(l Layer, in []int) stage[F] {
	switch l := l.(type) {
	case Conv2D:
		return newConvStage(b, l, in)
	case MaxPool2D:
		return newMaxPoolStage(b, l, in)
	case AvgPool2D:
		w, _ := l.window(in)
		return newAvgPoolStage(b, w)
	case GlobalAvgPool2D:
		return newAvgPoolStage(b, window{
			channels: in[0], height: in[1], width: in[2], outHeight: 1, outWidth: 1,
			inputs: product(in), positions: 1,
		})
	}
	panic(fmt.Sprintf("relu: no stage for %T", l))
}

// numbers returns room for a batch of examples of this shape.
func (b *builder[F]) numbers(shape []int) []F { return make([]F, b.maxBatch*product(shape)) }

// room is numbers for a stage that may not work in place, nil for one that may.
func (b *builder[F]) room(own bool, shape []int) []F {
	if own {
		return nil
	}
	return b.numbers(shape)
}

// offset returns where tensor i of the current layer begins in the block.
func (b *builder[F]) offset(i int) int { return b.net.layout.At(b.net.first[b.leaf] + i).Offset }
