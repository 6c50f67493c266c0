package spec

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// The conversions of sections are inverse to those in fromproto.go. A value that the schema does not have becomes an
// absent choice.

func dataTo(d Data) *pb.Data {
	switch d := d.(type) {
	case MNIST:
		return &pb.Data{Source: &pb.Data_Mnist{Mnist: &pb.MNIST{}}}
	case IDX:
		return &pb.Data{Source: &pb.Data_Idx{Idx: &pb.IDX{Dir: &d.Dir}}}
	case Safetensors:
		return &pb.Data{Source: &pb.Data_Safetensors{Safetensors: &pb.Safetensors{Train: &d.Train, Test: &d.Test}}}
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
	}
	return &pb.Partition{}
}

func participationTo(p localsgd.Participation) *pb.Participation {
	switch {
	case !p.Partial:
		return &pb.Participation{Amount: &pb.Participation_Fraction{Fraction: 1}}
	case p.Count != 0:
		return &pb.Participation{Amount: &pb.Participation_Count{Count: *number32(p.Count)}}
	}
	return &pb.Participation{Amount: &pb.Participation_Fraction{Fraction: p.Fraction}}
}

func closeTo(c Close) *pb.Close {
	switch {
	case c.Quorum != 0:
		return &pb.Close{When: &pb.Close_Quorum{Quorum: &pb.Quorum{Count: number32(c.Quorum), Grace: durationpb.New(c.Grace)}}}
	case c.Deadline != 0:
		return &pb.Close{When: &pb.Close_Deadline{Deadline: &pb.Deadline{After: durationpb.New(c.Deadline)}}}
	}
	return &pb.Close{When: &pb.Close_All{All: &pb.All{}}}
}
