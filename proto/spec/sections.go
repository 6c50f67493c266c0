package spec

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// The conversions of sections are inverse to those in fromproto.go. A value that the schema does not have becomes an
// absent choice.

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
