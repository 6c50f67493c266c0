package spec

import (
	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// fillAttack gives the absent keys of an attack their defaults.
func fillAttack(a *pb.Attack) {
	if flip := a.GetSignFlip(); flip != nil {
		set(&flip.Scale, 1)
	}
	if noise := a.GetScaledNoise(); noise != nil {
		set(&noise.Scale, 10)
	}
	if same := a.GetSameValue(); same != nil {
		set(&same.Value, 1)
	}
}

func byzantineFrom(b *pb.Byzantine) localsgd.Byzantine {
	made := localsgd.Byzantine{Fraction: b.GetFraction()}
	switch kind := b.GetAttack().GetKind().(type) {
	case *pb.Attack_SignFlip:
		made.Attack = localsgd.SignFlip{Scale: kind.SignFlip.GetScale()}
	case *pb.Attack_ScaledNoise:
		made.Attack = localsgd.ScaledNoise{Scale: kind.ScaledNoise.GetScale()}
	case *pb.Attack_LabelFlip:
		made.Attack = localsgd.LabelFlip{}
	case *pb.Attack_SameValue:
		made.Attack = localsgd.SameValue{Value: kind.SameValue.GetValue()}
	}
	return made
}

func byzantineTo(b localsgd.Byzantine) *pb.Byzantine {
	attack := &pb.Attack{}
	switch a := b.Attack.(type) {
	case localsgd.SignFlip:
		attack.Kind = &pb.Attack_SignFlip{SignFlip: &pb.SignFlip{Scale: &a.Scale}}
	case localsgd.ScaledNoise:
		attack.Kind = &pb.Attack_ScaledNoise{ScaledNoise: &pb.ScaledNoise{Scale: &a.Scale}}
	case localsgd.LabelFlip:
		attack.Kind = &pb.Attack_LabelFlip{LabelFlip: &pb.LabelFlip{}}
	case localsgd.SameValue:
		attack.Kind = &pb.Attack_SameValue{SameValue: &pb.SameValue{Value: &a.Value}}
	}
	return &pb.Byzantine{Fraction: &b.Fraction, Attack: attack}
}
