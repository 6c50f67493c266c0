package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillLayers gives the absent keys of layers, also of those inside others, their defaults, which are PyTorch's.
func fillLayers(layers []*pb.Layer) {
	for _, layer := range layers {
		switch l := layer.Kind.(type) {
		case *pb.Layer_Linear:
			set(&l.Linear.Bias, true)
		case *pb.Layer_LeakyRelu:
			fillSlope(l.LeakyRelu)
		case *pb.Layer_Conv2D:
			set(&l.Conv2D.Stride, 1)
			set(&l.Conv2D.Padding, 0)
			set(&l.Conv2D.Bias, true)
		case *pb.Layer_MaxPool2D:
			set(&l.MaxPool2D.Stride, l.MaxPool2D.GetKernel())
		case *pb.Layer_AvgPool2D:
			set(&l.AvgPool2D.Stride, l.AvgPool2D.GetKernel())
		case *pb.Layer_Residual:
			fillLayers(l.Residual.Body)
			fillLayers(l.Residual.Shortcut)
		default:
			fillNorm(layer)
		}
	}
}

func fillNorm(layer *pb.Layer) {
	switch l := layer.Kind.(type) {
	case *pb.Layer_BatchNorm:
		set(&l.BatchNorm.Dims, 1)
		set(&l.BatchNorm.Eps, relu.DefaultEps)
		set(&l.BatchNorm.Momentum, relu.DefaultMomentum)
	case *pb.Layer_LayerNorm:
		set(&l.LayerNorm.Eps, relu.DefaultEps)
	case *pb.Layer_GroupNorm:
		set(&l.GroupNorm.Eps, relu.DefaultEps)
	}
}

func layersFrom(layers []*pb.Layer) []relu.Layer {
	var converted []relu.Layer
	for _, layer := range layers {
		converted = append(converted, layerFrom(layer))
	}
	return converted
}

func layerFrom(m *pb.Layer) relu.Layer {
	switch kind := m.Kind.(type) {
	case *pb.Layer_Linear:
		return relu.Linear{In: int(kind.Linear.GetIn()), Out: int(kind.Linear.GetOut()), Bias: kind.Linear.GetBias()}
	case *pb.Layer_Relu:
		return relu.ReLU{}
	case *pb.Layer_LeakyRelu:
		return relu.ReLU{Slope: kind.LeakyRelu.GetSlope()}
	case *pb.Layer_Flatten:
		return relu.Flatten{}
	case *pb.Layer_Residual:
		return relu.Residual{Body: layersFrom(kind.Residual.Body), Shortcut: layersFrom(kind.Residual.Shortcut)}
	case *pb.Layer_Scale:
		return relu.Scale{Factor: kind.Scale.GetFactor()}
	case *pb.Layer_Softplus:
		return relu.Softplus{}
	}
	return imageLayerFrom(m)
}

func imageLayerFrom(m *pb.Layer) relu.Layer {
	switch kind := m.Kind.(type) {
	case *pb.Layer_Conv2D:
		c := kind.Conv2D
		return relu.Conv2D{
			In: int(c.GetIn()), Out: int(c.GetOut()), Kernel: int(c.GetKernel()),
			Stride: int(c.GetStride()), Padding: int(c.GetPadding()), Bias: c.GetBias(),
		}
	case *pb.Layer_MaxPool2D:
		return relu.MaxPool2D{Kernel: int(kind.MaxPool2D.GetKernel()), Stride: int(kind.MaxPool2D.GetStride())}
	case *pb.Layer_AvgPool2D:
		return relu.AvgPool2D{Kernel: int(kind.AvgPool2D.GetKernel()), Stride: int(kind.AvgPool2D.GetStride())}
	case *pb.Layer_GlobalAvgPool2D:
		return relu.GlobalAvgPool2D{}
	case *pb.Layer_BatchNorm:
		n := kind.BatchNorm
		return relu.BatchNorm{Features: int(n.GetFeatures()), Dims: int(n.GetDims()), Eps: n.GetEps(), Momentum: n.GetMomentum()}
	case *pb.Layer_LayerNorm:
		return relu.LayerNorm{Features: int(kind.LayerNorm.GetFeatures()), Eps: kind.LayerNorm.GetEps()}
	case *pb.Layer_GroupNorm:
		n := kind.GroupNorm
		return relu.GroupNorm{Groups: int(n.GetGroups()), Features: int(n.GetFeatures()), Eps: n.GetEps()}
	}
	panic(fmt.Sprintf("spec: no conversion of %T", m.Kind))
}

func layersTo(layers []relu.Layer) []*pb.Layer {
	var converted []*pb.Layer
	for _, layer := range layers {
		converted = append(converted, layerTo(layer))
	}
	return converted
}

func layerTo(layer relu.Layer) *pb.Layer {
	switch l := layer.(type) {
	case relu.Linear:
		return &pb.Layer{Kind: &pb.Layer_Linear{Linear: &pb.Linear{In: number32(l.In), Out: number32(l.Out), Bias: &l.Bias}}}
	case relu.ReLU:
		if l.Slope == 0 {
			return &pb.Layer{Kind: &pb.Layer_Relu{Relu: &pb.ReLU{}}}
		}
		return &pb.Layer{Kind: &pb.Layer_LeakyRelu{LeakyRelu: &pb.LeakyReLU{Slope: &l.Slope}}}
	case relu.Flatten:
		return &pb.Layer{Kind: &pb.Layer_Flatten{Flatten: &pb.Flatten{}}}
	case relu.Residual:
		return &pb.Layer{Kind: &pb.Layer_Residual{Residual: &pb.Residual{Body: layersTo(l.Body), Shortcut: layersTo(l.Shortcut)}}}
	case relu.Scale:
		return &pb.Layer{Kind: &pb.Layer_Scale{Scale: &pb.Scale{Factor: &l.Factor}}}
	case relu.Softplus:
		return &pb.Layer{Kind: &pb.Layer_Softplus{Softplus: &pb.Softplus{}}}
	}
	return imageLayerTo(layer)
}

func imageLayerTo(layer relu.Layer) *pb.Layer {
	switch l := layer.(type) {
	case relu.Conv2D:
		return &pb.Layer{Kind: &pb.Layer_Conv2D{Conv2D: &pb.Conv2D{
			In: number32(l.In), Out: number32(l.Out), Kernel: number32(l.Kernel),
			Stride: number32(l.Stride), Padding: number32(l.Padding), Bias: &l.Bias,
		}}}
	case relu.MaxPool2D:
		return &pb.Layer{Kind: &pb.Layer_MaxPool2D{MaxPool2D: &pb.MaxPool2D{Kernel: number32(l.Kernel), Stride: number32(l.Stride)}}}
	case relu.AvgPool2D:
		return &pb.Layer{Kind: &pb.Layer_AvgPool2D{AvgPool2D: &pb.AvgPool2D{Kernel: number32(l.Kernel), Stride: number32(l.Stride)}}}
	case relu.GlobalAvgPool2D:
		return &pb.Layer{Kind: &pb.Layer_GlobalAvgPool2D{GlobalAvgPool2D: &pb.GlobalAvgPool2D{}}}
	case relu.BatchNorm:
		return &pb.Layer{Kind: &pb.Layer_BatchNorm{BatchNorm: &pb.BatchNorm{
			Features: number32(l.Features), Dims: number32(l.Dims), Eps: &l.Eps, Momentum: &l.Momentum,
		}}}
	case relu.LayerNorm:
		return &pb.Layer{Kind: &pb.Layer_LayerNorm{LayerNorm: &pb.LayerNorm{Features: number32(l.Features), Eps: &l.Eps}}}
	case relu.GroupNorm:
		return &pb.Layer{Kind: &pb.Layer_GroupNorm{GroupNorm: &pb.GroupNorm{Groups: number32(l.Groups), Features: number32(l.Features), Eps: &l.Eps}}}
	}
	return &pb.Layer{}
}
