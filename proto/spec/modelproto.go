package spec

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillModel gives a model's absent keys their defaults.
func fillModel(m *pb.Model) {
	fillInit(section(&m.Init))
	if m.Mlp != nil {
		set(&m.Mlp.Bias, true)
		set(&m.Mlp.Norm, pb.Norm_NORM_NONE)
		set(&m.Mlp.Residual, false)
		fillActivation(section(&m.Mlp.Activation))
	}
	if m.Resnet != nil {
		set(&m.Resnet.Depth, 20)
		if len(m.Resnet.Widths) == 0 {
			m.Resnet.Widths = []int32{16, 32, 64}
		}
	}
	if m.Shallow != nil {
		set(&m.Shallow.Skip, true)
		fillActivation(section(&m.Shallow.Activation))
	}
	fillLayers(m.Layers)
}

func fillActivation(a *pb.Activation) {
	if a.Function == nil {
		a.Function = &pb.Activation_Relu{Relu: &pb.ReLU{}}
	}
	fillSlope(a.GetLeakyRelu())
}

func fillSlope(l *pb.LeakyReLU) {
	if l != nil {
		set(&l.Slope, 0.01)
	}
}

func fillInit(i *pb.Init) {
	if i.Kind == nil {
		i.Kind = &pb.Init_KaimingUniform{KaimingUniform: &pb.KaimingUniform{}}
	}
	if identity := i.GetIdentity(); identity != nil {
		set(&identity.C, 0.5)
		set(&identity.P, 2)
	}
	if signs := i.GetRandomSigns(); signs != nil {
		set(&signs.Std, 1)
		set(&signs.Scale, 1)
	}
}

// shallowNoDecay returns which tensors of the shallow preset have no weight decay by default (PAPERS.md P5, E3): biases, the
// output's among them, and the skip connection.
func shallowNoDecay(s *pb.Shallow) []string {
	if s.GetSkip() {
		return []string{"*.bias", "0.shortcut.*"}
	}
	return []string{"*.bias"}
}

// modelFrom converts the section but for freeze, which belongs to training.
func modelFrom(m *pb.Model) Model {
	model := Model{Init: initFrom(m.Init), File: m.Init.GetFile().GetSafetensors()}
	switch {
	case m.Mlp != nil:
		model.MLP = &relu.MLP{
			Hidden:   convert[int](m.Mlp.Hidden),
			NoBias:   !m.Mlp.GetBias(),
			Slope:    m.Mlp.Activation.GetLeakyRelu().GetSlope(),
			Norm:     norms[m.Mlp.GetNorm()],
			Residual: m.Mlp.GetResidual(),
		}
	case m.Cnn != nil:
		model.CNN = &relu.CNN{}
	case m.Resnet != nil:
		model.ResNet = &relu.ResNet{Blocks: blocks(m.Resnet), Widths: convert[int](m.Resnet.Widths)}
	case m.Shallow != nil:
		model.Shallow = &relu.Shallow{
			Width: int(m.Shallow.GetWidth()),
			Slope: m.Shallow.Activation.GetLeakyRelu().GetSlope(),
			Skip:  m.Shallow.GetSkip(),
		}
	}
	model.Layers = layersFrom(m.Layers)
	return model
}

// blocks returns the number of blocks a stage, 0 for a depth that no such number gives.
func blocks(r *pb.ResNet) int {
	stage := 2 * len(r.Widths)
	if rest := int(r.GetDepth()) - 2; stage > 0 && rest%stage == 0 {
		return rest / stage
	}
	return 0
}

func modelTo(model Model, freeze []string) *pb.Model {
	m := &pb.Model{Init: initTo(model), Freeze: slices.Clone(freeze), Layers: layersTo(model.Layers)}
	if mlp := model.MLP; mlp != nil {
		m.Mlp = &pb.MLP{Hidden: to32(mlp.Hidden), Bias: new(bool), Activation: activationTo(mlp.Slope), Norm: key(norms, mlp.Norm), Residual: &mlp.Residual}
		*m.Mlp.Bias = !mlp.NoBias
	}
	if model.CNN != nil {
		m.Cnn = &pb.CNN{}
	}
	if r := model.ResNet; r != nil {
		m.Resnet = &pb.ResNet{Depth: number32(2 + 2*r.Blocks*len(r.Widths)), Widths: to32(r.Widths)}
	}
	if s := model.Shallow; s != nil {
		m.Shallow = &pb.Shallow{Width: number32(s.Width), Skip: &s.Skip, Activation: activationTo(s.Slope)}
	}
	return m
}

func activationTo(slope float64) *pb.Activation {
	if slope != 0 {
		return &pb.Activation{Function: &pb.Activation_LeakyRelu{LeakyRelu: &pb.LeakyReLU{Slope: &slope}}}
	}
	return &pb.Activation{Function: &pb.Activation_Relu{Relu: &pb.ReLU{}}}
}

func to32(from []int) []int32 {
	var to []int32
	for _, n := range from {
		to = append(to, *number32(n))
	}
	return to
}

func initFrom(m *pb.Init) relu.Initializer {
	switch kind := m.Kind.(type) {
	case *pb.Init_KaimingNormal:
		return relu.KaimingNormal
	case *pb.Init_Xavier:
		return relu.Xavier
	case *pb.Init_Gaussian:
		return relu.Gaussian{Std: kind.Gaussian.GetStd()}
	case *pb.Init_Identity:
		return relu.Identity{C: kind.Identity.GetC(), P: kind.Identity.GetP()}
	case *pb.Init_Zero:
		return relu.Zero
	case *pb.Init_RandomSigns:
		return relu.RandomSigns{Std: kind.RandomSigns.GetStd(), Scale: kind.RandomSigns.GetScale()}
	case *pb.Init_File:
		return nil
	}
	return relu.KaimingUniform
}

func initTo(model Model) *pb.Init {
	switch init := model.Init.(type) {
	case nil:
		return &pb.Init{Kind: &pb.Init_File{File: &pb.InitFile{Safetensors: &model.File}}}
	case relu.RandomSigns:
		return &pb.Init{Kind: &pb.Init_RandomSigns{RandomSigns: &pb.RandomSigns{Std: &init.Std, Scale: &init.Scale}}}
	case relu.Gaussian:
		return &pb.Init{Kind: &pb.Init_Gaussian{Gaussian: &pb.Gaussian{Std: &init.Std}}}
	case relu.Identity:
		return &pb.Init{Kind: &pb.Init_Identity{Identity: &pb.Identity{C: &init.C, P: &init.P}}}
	}
	switch model.Init {
	case relu.KaimingUniform:
		return &pb.Init{Kind: &pb.Init_KaimingUniform{KaimingUniform: &pb.KaimingUniform{}}}
	case relu.KaimingNormal:
		return &pb.Init{Kind: &pb.Init_KaimingNormal{KaimingNormal: &pb.KaimingNormal{}}}
	case relu.Xavier:
		return &pb.Init{Kind: &pb.Init_Xavier{Xavier: &pb.Xavier{}}}
	case relu.Zero:
		return &pb.Init{Kind: &pb.Init_Zero{Zero: &pb.Zero{}}}
	}
	return &pb.Init{}
}
