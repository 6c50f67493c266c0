package spec

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// The conversions of sections are inverse to those in fromproto.go. A value that the schema does not have becomes an
// absent choice.

func participationTo(p localsgd.Participation) *pb.Participation {
	over := p.Over
	if over == 0 {
		over = 1
	}
	to := &pb.Participation{By: pb.DrawBy_DRAW_BY_UNIFORM.Enum(), Over: &over}
	if p.BySize {
		to.By = pb.DrawBy_DRAW_BY_EXAMPLES.Enum()
	}
	switch {
	case !p.Partial:
		to.Amount = &pb.Participation_Fraction{Fraction: 1}
	case p.Count != 0:
		to.Amount = &pb.Participation_Count{Count: *number32(p.Count)}
	default:
		to.Amount = &pb.Participation_Fraction{Fraction: p.Fraction}
	}
	return to
}

func closeTo(c Close) *pb.Close {
	switch {
	case c.Quorum != 0:
		return &pb.Close{When: &pb.Close_Quorum{Quorum: &pb.Quorum{Count: number32(c.Quorum), Grace: durationpb.New(c.Grace)}}}
	case c.Deadline != 0:
		return &pb.Close{When: &pb.Close_Deadline{Deadline: &pb.Deadline{After: durationpb.New(c.Deadline)}}}
	}
	if a := c.Adaptive; a != (Adaptive{}) {
		return &pb.Close{When: &pb.Close_Adaptive{Adaptive: &pb.Adaptive{
			K: &a.K, Observations: number32(a.Observations), Floor: durationpb.New(a.Floor),
		}}}
	}
	return &pb.Close{When: &pb.Close_All{All: &pb.All{}}}
}
