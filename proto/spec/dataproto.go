package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillData gives the absent keys of the section their defaults.
func fillData(d *pb.Data) {
	if csv := d.GetCsv(); csv != nil {
		set(&csv.Regression, false)
		set(&csv.Header, true)
	}
	if s := d.GetSynthetic(); s != nil {
		fillSynthetic(s)
	}
	if w := d.GetWorkers(); w != nil {
		fillWorkers(w)
	}
}

func dataFrom(m *pb.Data) Data {
	switch source := m.Source.(type) {
	case *pb.Data_Mnist:
		return MNIST{}
	case *pb.Data_Idx:
		return IDX{Dir: source.Idx.GetDir()}
	case *pb.Data_Safetensors:
		return Safetensors{Train: source.Safetensors.GetTrain(), Test: source.Safetensors.GetTest()}
	case *pb.Data_Cifar10:
		return CIFAR10{Dir: source.Cifar10.GetDir()}
	case *pb.Data_Csv:
		return csvFrom(source.Csv)
	case *pb.Data_Npz:
		return NPZ{Train: source.Npz.GetTrain(), Test: source.Npz.GetTest()}
	case *pb.Data_Synthetic:
		return Synthetic{syntheticFrom(source.Synthetic)}
	case *pb.Data_Workers:
		return workersFrom(source.Workers)
	}
	panic(fmt.Sprintf("spec: no conversion of %T", m.Source))
}

func partitionFrom(m *pb.Partition) shard.Partition {
	switch form := m.Form.(type) {
	case *pb.Partition_Iid:
		return shard.IID{}
	case *pb.Partition_Contiguous:
		return shard.Contiguous{Sizes: convert[int](form.Contiguous.GetSizes())}
	case *pb.Partition_LabelShards:
		return shard.LabelShards{PerShard: int(form.LabelShards.GetPerShard())}
	case *pb.Partition_Labels:
		return shard.Labels{PerShard: int(form.Labels.GetPerShard())}
	case *pb.Partition_Dirichlet:
		return shard.Dirichlet{Alpha: form.Dirichlet.GetAlpha(), Form: forms[form.Dirichlet.GetForm()]}
	case *pb.Partition_Quantity:
		return quantityFrom(form.Quantity)
	case *pb.Partition_Natural:
		return shard.Natural{By: form.Natural.GetBy()}
	case *pb.Partition_Explicit:
		return shard.Explicit{File: form.Explicit.GetFile()}
	}
	panic(fmt.Sprintf("spec: no conversion of %T", m.Form))
}

func csvFrom(m *pb.CSV) CSV {
	return CSV{
		Train: m.GetTrain(), Test: m.GetTest(), Label: m.GetLabel(), Regression: m.GetRegression(), NoHeader: !m.GetHeader(),
	}
}

func quantityFrom(m *pb.Quantity) shard.Quantity {
	if power, ok := m.Law.(*pb.Quantity_Power); ok {
		return shard.Quantity{Law: shard.Power, Rate: power.Power}
	}
	return shard.Quantity{Law: shard.Exponential, Rate: m.GetExponential()}
}

func dataTo(d Data) *pb.Data {
	switch d := d.(type) {
	case MNIST:
		return &pb.Data{Source: &pb.Data_Mnist{Mnist: &pb.MNIST{}}}
	case IDX:
		return &pb.Data{Source: &pb.Data_Idx{Idx: &pb.IDX{Dir: &d.Dir}}}
	case Safetensors:
		return &pb.Data{Source: &pb.Data_Safetensors{Safetensors: &pb.Safetensors{Train: &d.Train, Test: &d.Test}}}
	case CIFAR10:
		return &pb.Data{Source: &pb.Data_Cifar10{Cifar10: &pb.CIFAR10{Dir: &d.Dir}}}
	case CSV:
		header := !d.NoHeader
		return &pb.Data{Source: &pb.Data_Csv{Csv: &pb.CSV{
			Train: &d.Train, Test: &d.Test, Label: &d.Label, Regression: &d.Regression, Header: &header,
		}}}
	case NPZ:
		return &pb.Data{Source: &pb.Data_Npz{Npz: &pb.NPZ{Train: &d.Train, Test: &d.Test}}}
	case Synthetic:
		return &pb.Data{Source: &pb.Data_Synthetic{Synthetic: syntheticTo(d.Source)}}
	case Workers:
		return &pb.Data{Source: &pb.Data_Workers{Workers: workersTo(d)}}
	}
	return &pb.Data{}
}

func partitionTo(p shard.Partition) *pb.Partition {
	switch p := p.(type) {
	case shard.IID:
		return &pb.Partition{Form: &pb.Partition_Iid{Iid: &pb.IID{}}}
	case shard.Contiguous:
		sizes := make([]int32, len(p.Sizes))
		for i, n := range p.Sizes {
			sizes[i] = *number32(n)
		}
		return &pb.Partition{Form: &pb.Partition_Contiguous{Contiguous: &pb.Contiguous{Sizes: sizes}}}
	case shard.LabelShards:
		return &pb.Partition{Form: &pb.Partition_LabelShards{LabelShards: &pb.LabelShards{PerShard: number32(p.PerShard)}}}
	case shard.Labels:
		return &pb.Partition{Form: &pb.Partition_Labels{Labels: &pb.Labels{PerShard: number32(p.PerShard)}}}
	case shard.Dirichlet:
		return &pb.Partition{Form: &pb.Partition_Dirichlet{Dirichlet: &pb.Dirichlet{Alpha: &p.Alpha, Form: key(forms, p.Form)}}}
	case shard.Quantity:
		return &pb.Partition{Form: &pb.Partition_Quantity{Quantity: quantityTo(p)}}
	case shard.Natural:
		return &pb.Partition{Form: &pb.Partition_Natural{Natural: &pb.Natural{By: &p.By}}}
	case shard.Explicit:
		return &pb.Partition{Form: &pb.Partition_Explicit{Explicit: &pb.Explicit{File: &p.File}}}
	}
	return &pb.Partition{}
}

func quantityTo(p shard.Quantity) *pb.Quantity {
	switch p.Law {
	case shard.Power:
		return &pb.Quantity{Law: &pb.Quantity_Power{Power: p.Rate}}
	case shard.Exponential:
		return &pb.Quantity{Law: &pb.Quantity_Exponential{Exponential: p.Rate}}
	}
	return &pb.Quantity{}
}
