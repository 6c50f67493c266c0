package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/shard/synthetic"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Synthetic is data that are made of nothing.
type Synthetic struct{ synthetic.Source }

// Under implements Data.
func (d Synthetic) Under(string) Data { return d }

// device is what the groups of FedProx's data are called.
const device = "device"

var univariates = map[pb.Univariate]synthetic.Univariate{
	pb.Univariate_UNIVARIATE_SIN_3X: synthetic.Sin3X, pb.Univariate_UNIVARIATE_X: synthetic.X, pb.Univariate_UNIVARIATE_10X: synthetic.TenX,
}

// fillSynthetic gives the absent keys of the section their defaults, which are those of the papers where these have any.
func fillSynthetic(s *pb.Synthetic) {
	set(&s.Seed, 1)
	switch source := s.Source.(type) {
	case *pb.Synthetic_Teacher:
		t := source.Teacher
		fillSizes(&t.Train, &t.Test, 1000, 1000)
		set(&t.Inputs, 10)
		set(&t.Hidden, 50)
		set(&t.Outputs, 1)
		set(&t.Noise, 0)
	case *pb.Synthetic_Linear:
		l := source.Linear
		fillSizes(&l.Train, &l.Test, 100, 100)
		set(&l.Inputs, 30)
		set(&l.Outputs, 3)
		set(&l.Noise, 0)
	case *pb.Synthetic_Fedprox:
		f := source.Fedprox
		set(&f.Alpha, 1)
		set(&f.Beta, 1)
		set(&f.Iid, false)
		set(&f.Devices, 30)
		set(&f.Inputs, 60)
		set(&f.Classes, 10)
	case *pb.Synthetic_Gaussian:
		g := source.Gaussian
		fillSizes(&g.Train, &g.Test, 512, 1000)
		set(&g.Inputs, 32)
		set(&g.Classes, 10)
		set(&g.Spread, 0.6)
		set(&g.Noise, 1)
	case *pb.Synthetic_Function:
		f := source.Function
		fillSizes(&f.Train, &f.Test, 10, 100)
		set(&f.Of, pb.Univariate_UNIVARIATE_SIN_3X)
		set(&f.Noise, 0)
	}
}

func fillSizes(train, test **int32, trainDefault, testDefault int32) {
	set(train, trainDefault)
	set(test, testDefault)
}

// fillDevices makes natural shards of FedProx's devices, where the section does not say otherwise.
func fillDevices(s *pb.Shards, f *pb.FedProxDevices) {
	partition := section(&s.Partition)
	if partition.Form == nil {
		by := device
		partition.Form = &pb.Partition_Natural{Natural: &pb.Natural{By: &by}}
	}
	if partition.GetNatural() != nil {
		set(&s.Count, f.GetDevices())
	}
}

// fitData bounds what a synthetic source costs, and says where groups come from.
func (r *reader) fitData(s *pb.Spec) {
	const natural = "shards.partition.natural"
	fedprox := s.Data.GetSynthetic().GetFedprox()
	switch by := s.Shards.Partition.GetNatural(); {
	case by == nil:
	case fedprox != nil && by.GetBy() != device:
		r.object(fmt.Sprintf("the groups of synthetic fedprox data are called %s, got %s", device, quote(by.GetBy())), natural+".by", "data")
	case fedprox == nil && s.Data.GetCsv() == nil && s.Data.GetNpz() == nil && s.Data.GetSafetensors() == nil:
		r.object("only data of csv, npz and safetensors, and synthetic fedprox data, name groups", natural, "data")
	}
	if m := s.Data.GetSynthetic(); m != nil && m.Source != nil && !r.complained("data.synthetic") {
		if err := synthetic.Check(syntheticFrom(m)); err != nil {
			r.object(err.Error(), "data.synthetic")
		}
	}
}

// complained tells whether a problem below path was noted already.
func (r *reader) complained(path string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return strings.HasPrefix(p.Path, path) })
}

func syntheticFrom(m *pb.Synthetic) synthetic.Source {
	seed := m.GetSeed()
	switch source := m.Source.(type) {
	case *pb.Synthetic_Teacher:
		t := source.Teacher
		return synthetic.Teacher{
			Seed: seed, Train: int(t.GetTrain()), Test: int(t.GetTest()),
			Inputs: int(t.GetInputs()), Hidden: int(t.GetHidden()), Outputs: int(t.GetOutputs()), Noise: t.GetNoise(),
		}
	case *pb.Synthetic_Linear:
		l := source.Linear
		return synthetic.Linear{
			Seed: seed, Train: int(l.GetTrain()), Test: int(l.GetTest()),
			Inputs: int(l.GetInputs()), Outputs: int(l.GetOutputs()), Noise: l.GetNoise(),
		}
	case *pb.Synthetic_Fedprox:
		f := source.Fedprox
		return synthetic.FedProx{
			Seed: seed, Alpha: f.GetAlpha(), Beta: f.GetBeta(), IID: f.GetIid(),
			Devices: int(f.GetDevices()), Inputs: int(f.GetInputs()), Classes: int(f.GetClasses()),
		}
	case *pb.Synthetic_Gaussian:
		g := source.Gaussian
		return synthetic.Gaussian{
			Seed: seed, Train: int(g.GetTrain()), Test: int(g.GetTest()),
			Inputs: int(g.GetInputs()), Classes: int(g.GetClasses()), Spread: g.GetSpread(), Noise: g.GetNoise(),
		}
	case *pb.Synthetic_Function:
		f := source.Function
		return synthetic.Function{Seed: seed, Train: int(f.GetTrain()), Test: int(f.GetTest()), Of: univariates[f.GetOf()], Noise: f.GetNoise()}
	}
	panic(fmt.Sprintf("spec: no conversion of %T", m.Source))
}

func syntheticTo(source synthetic.Source) *pb.Synthetic {
	switch s := source.(type) {
	case synthetic.Teacher:
		return &pb.Synthetic{Seed: &s.Seed, Source: &pb.Synthetic_Teacher{Teacher: &pb.Teacher{
			Train: number32(s.Train), Test: number32(s.Test),
			Inputs: number32(s.Inputs), Hidden: number32(s.Hidden), Outputs: number32(s.Outputs), Noise: &s.Noise,
		}}}
	case synthetic.Linear:
		return &pb.Synthetic{Seed: &s.Seed, Source: &pb.Synthetic_Linear{Linear: &pb.LinearRegression{
			Train: number32(s.Train), Test: number32(s.Test),
			Inputs: number32(s.Inputs), Outputs: number32(s.Outputs), Noise: &s.Noise,
		}}}
	case synthetic.FedProx:
		return &pb.Synthetic{Seed: &s.Seed, Source: &pb.Synthetic_Fedprox{Fedprox: &pb.FedProxDevices{
			Alpha: &s.Alpha, Beta: &s.Beta, Iid: &s.IID,
			Devices: number32(s.Devices), Inputs: number32(s.Inputs), Classes: number32(s.Classes),
		}}}
	case synthetic.Gaussian:
		return &pb.Synthetic{Seed: &s.Seed, Source: &pb.Synthetic_Gaussian{Gaussian: &pb.GaussianClasses{
			Train: number32(s.Train), Test: number32(s.Test),
			Inputs: number32(s.Inputs), Classes: number32(s.Classes), Spread: &s.Spread, Noise: &s.Noise,
		}}}
	case synthetic.Function:
		return &pb.Synthetic{Seed: &s.Seed, Source: &pb.Synthetic_Function{Function: &pb.UnivariateFunction{
			Train: number32(s.Train), Test: number32(s.Test), Of: key(univariates, s.Of), Noise: &s.Noise,
		}}}
	}
	return &pb.Synthetic{}
}
