package spec

import (
	"fmt"
	"path"
	"strings"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

func (r *reader) fitModel(m *pb.Model) {
	if layers := m.GetLayers(); len(layers) > 0 {
		f := &layerFit{reader: r}
		f.sequence(layers, "model.layers", feature{})
		if !f.weights {
			r.object("no layer has parameters, expected at least one", "model.layers")
		}
		r.fitParameters(f.parameters, "model.layers")
	}
	r.fitWidths(m.GetMlp().GetHidden())
	if resnet := m.GetResnet(); resnet != nil && blocks(resnet) == 0 {
		r.object(fmt.Sprintf("a depth of %d is not 2 plus a multiple of %d, 2 for each of the widths", resnet.GetDepth(), 2*len(resnet.Widths)),
			"model.resnet.depth", "model.resnet.widths")
	}
	r.fitGlobs(m.GetFreeze(), "model.freeze")
	if m.GetInit().GetRandomSigns() != nil && hiddenLayers(m) != 1 {
		r.object("is for networks of one hidden layer, such as shallow", "model.init.random_signs", "model")
	}
}

// hiddenLayers returns how many layers of sums a model has before its last one, beside shortcuts.
func hiddenLayers(m *pb.Model) int {
	switch {
	case m.Shallow != nil:
		return 1
	case m.Mlp != nil:
		return len(m.Mlp.Hidden)
	}
	return sums(m.Layers) - 1
}

func sums(layers []*pb.Layer) (n int) {
	for _, l := range layers {
		if l.GetLinear() != nil || l.GetConv2D() != nil {
			n++
		}
		n += sums(l.GetResidual().GetBody())
	}
	return n
}

func (r *reader) fitTraining(s *pb.Spec) {
	if s.GetLabelSmoothing() != 0 && s.GetLoss() != pb.Loss_LOSS_CROSS_ENTROPY {
		r.object("is only for loss: cross_entropy", "label_smoothing", "loss")
	}
	if s.Regularize.GetPathNorm() != 0 && s.Model.GetShallow() == nil {
		r.object("is only for model.shallow", "regularize.path_norm", "model")
	}
	if sgd := s.Local.Optimizer.GetSgd(); sgd != nil {
		if sgd.GetNesterov() && sgd.GetMomentum() == 0 {
			r.object("nesterov needs a momentum above 0", "local.optimizer.sgd.nesterov", "local.optimizer.sgd.momentum")
		}
		r.fitGlobs(sgd.NoDecay, "local.optimizer.sgd.no_decay")
	}
	if adamw := s.Local.Optimizer.GetAdamw(); adamw != nil {
		if len(adamw.Betas) != 2 {
			r.object(fmt.Sprintf("expected two numbers, as in [0.9, 0.999], got %d", len(adamw.Betas)), "local.optimizer.adamw.betas")
		}
		r.fitGlobs(adamw.NoDecay, "local.optimizer.adamw.no_decay")
	}
	r.fitGlobs(s.Local.Personal, "local.personal")
}

// fitGlobs refuses malformed globs. Which tensors there are depends on the data.
func (r *reader) fitGlobs(globs []string, at string) {
	for i, glob := range globs {
		if _, err := path.Match(glob, ""); err != nil {
			r.object(fmt.Sprintf("the glob %s is malformed", quote(glob)), fmt.Sprintf("%s[%d]", at, i), at)
		}
	}
}

// layerFit checks that layers take what those before them give, as far as one can say without the data.
type layerFit struct {
	*reader
	parameters int64
	weights    bool // there are parameters
}

// feature is how many numbers a linear layer has given, and where; unknown at first and after layers of images.
type feature struct {
	size int32
	path string // of the layer
}

// sequence checks layers that follow each other and returns what the last one gives.
func (f *layerFit) sequence(layers []*pb.Layer, at string, in feature) feature {
	for i, layer := range layers {
		in = f.layer(layer, fmt.Sprintf("%s[%d]", at, i), in)
	}
	return in
}

func (f *layerFit) layer(layer *pb.Layer, at string, in feature) feature {
	switch l := layer.Kind.(type) {
	case *pb.Layer_Linear:
		f.count(int64(l.Linear.GetIn()) * int64(l.Linear.GetOut()))
		f.takes(l.Linear.GetIn(), at+".linear.in", in)
		return feature{l.Linear.GetOut(), at}
	case *pb.Layer_Conv2D:
		c := l.Conv2D
		f.count(int64(c.GetIn()) * int64(c.GetOut()) * int64(c.GetKernel()) * int64(c.GetKernel()))
		return feature{}
	case *pb.Layer_BatchNorm:
		f.norm(l.BatchNorm.GetFeatures(), at+".batch_norm.features", in)
	case *pb.Layer_LayerNorm:
		f.norm(l.LayerNorm.GetFeatures(), at+".layer_norm.features", in)
	case *pb.Layer_GroupNorm:
		f.norm(l.GroupNorm.GetFeatures(), at+".group_norm.features", in)
	case *pb.Layer_Residual:
		return f.residual(l.Residual, at, in)
	case *pb.Layer_MaxPool2D, *pb.Layer_AvgPool2D, *pb.Layer_GlobalAvgPool2D:
		return feature{}
	}
	return in
}

func (f *layerFit) residual(l *pb.Residual, at string, in feature) feature {
	body := f.sequence(l.Body, at+".residual.body", in)
	shortcut := f.sequence(l.Shortcut, at+".residual.shortcut", in)
	if body.size != 0 && shortcut.size != 0 && body.size != shortcut.size {
		f.object(fmt.Sprintf("the body gives %d numbers, the shortcut %d", body.size, shortcut.size), at+".residual", at)
	}
	return body
}

// count adds n parameters. Past the largest model it stays where it is, so that no sum overflows.
func (f *layerFit) count(n int64) {
	f.weights = true
	if f.parameters <= maxParameters {
		f.parameters += n
	}
}

func (f *layerFit) norm(features int32, at string, in feature) {
	f.count(2 * int64(features))
	f.takes(features, at, in)
}

// takes checks a layer's size against what comes in.
func (f *layerFit) takes(size int32, at string, in feature) {
	if in.size != 0 && size != in.size {
		f.object(fmt.Sprintf("takes %d inputs, but layer %s gives %d", size, layerName(in.path), in.size), at, in.path)
	}
}

// layerName shortens model.layers[3].residual.body[0] to what the layer's tensors begin with, 3.body.0.
func layerName(path string) string {
	return strings.NewReplacer("model.layers[", "", ".residual", "", "[", ".", "]", "").Replace(path)
}
