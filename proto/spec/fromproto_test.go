package spec

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

func minimal() *pb.Spec {
	return &pb.Spec{
		Data:  &pb.Data{Source: &pb.Data_Mnist{Mnist: &pb.MNIST{}}},
		Model: &pb.Model{Mlp: &pb.MLP{}},
	}
}

// TestFromProto: a message is checked like a file. Its errors have no place.
func TestFromProto(t *testing.T) {
	if _, err := FromProto(marshal(t, minimal())); err != nil {
		t.Fatalf("the smallest message: %v", err)
	}
	for _, test := range []struct {
		name   string
		change func(*pb.Spec)
		want   string
	}{
		{"range", func(s *pb.Spec) { s.Rounds = proto.Int32(0) },
			"rounds: must be greater than or equal to 1 and less than or equal to 2147483647 (int32.gte_lte), got 0"},
		{"list item", func(s *pb.Spec) { s.Model.Mlp.Hidden = []int32{3, -1} },
			"model.mlp.hidden[1]: must be greater than 0 and less than or equal to 16777216 (int32.gt_lte), got -1"},
		{"list", func(s *pb.Spec) { s.Model.Mlp.Hidden = make([]int32, 5001) },
			"model.mlp.hidden: must contain no more than 5000 item(s) (repeated.max_items), got a list of 5001"},
		{"not finite", func(s *pb.Spec) { s.Stop = &pb.Stop{Accuracy: proto.Float64(math.NaN())} }, "stop.accuracy: must be"},
		{"enum", func(s *pb.Spec) { s.Loss = pb.Loss(7).Enum() }, "loss: "},
		{"unspecified enum", func(s *pb.Spec) { s.Loss = pb.Loss_LOSS_UNSPECIFIED.Enum() }, "loss: "},
		{"no choice", func(s *pb.Spec) { s.Data.Source = nil }, "data: exactly one of [mnist idx safetensors cifar10 csv npz synthetic workers] is required"},
		{"two choices", func(s *pb.Spec) { s.Model.Layers = []*pb.Layer{{Kind: &pb.Layer_Relu{Relu: &pb.ReLU{}}}} },
			"model: exactly one of [mlp cnn resnet shallow layers] is required"},
		{"empty layer", func(s *pb.Spec) { s.Model = &pb.Model{Layers: []*pb.Layer{{}}} },
			"model.layers[0]: exactly one of [linear relu leaky_relu conv2d max_pool2d avg_pool2d global_avg_pool2d flatten batch_norm layer_norm group_norm residual scale softplus] is required"},
		{"fit", func(s *pb.Spec) { s.Participation = &pb.Participation{Amount: &pb.Participation_Count{Count: 11}} },
			"participation.count: 11 of 10 shards cannot take part, expected at most shards.count"},
		{"unknown key", func(s *pb.Spec) { addUnknown(s) }, "has a key that this version does not know"},
		{"unknown key below", func(s *pb.Spec) {
			s.Model = &pb.Model{Layers: []*pb.Layer{{Kind: &pb.Layer_Relu{Relu: &pb.ReLU{}}}, {Kind: &pb.Layer_Relu{Relu: &pb.ReLU{}}}}}
			addUnknown(s.Model.Layers[1].GetRelu())
		}, "model.layers[1].relu: has a key that this version does not know"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := minimal()
			test.change(m)
			refused(t, marshal(t, m), test.want)
		})
	}
}

func TestFromProtoBytes(t *testing.T) {
	refused(t, nil, "data: exactly one of [mnist idx safetensors cifar10 csv npz synthetic workers] is required\nmodel: exactly one of [mlp cnn resnet shallow layers] is required")
	refused(t, []byte{0xff}, "the bytes are not a spec: ")
	refused(t, make([]byte, maxSize+1), "the spec has 1048577 bytes, at most 1048576 are allowed")
}

func refused(t *testing.T, data []byte, want string) {
	t.Helper()
	s, err := FromProto(data)
	if s != nil || !errors.Is(err, ErrInvalid) {
		t.Fatalf("got %v and %v, want an error that wraps ErrInvalid", s, err)
	}
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func addUnknown(m proto.Message) {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1))
}

// otherRates is a schedule that the schema does not have.
type otherRates struct{ localsgd.StepLR }

// TestCheck: specs that code has built are held to the same rules, whatever they contain.
func TestCheck(t *testing.T) {
	good, err := FromProto(marshal(t, minimal()))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*Spec)
		want   string // part of it
	}{
		{"nothing", func(s *Spec) { *s = Spec{} }, "data: exactly one of"},
		{"too large for the schema", func(s *Spec) { s.Rounds = 1 << 31 }, "rounds: must be"},
		{"negative", func(s *Spec) { s.Keep.Every = -5 }, "keep.every: must be"},
		{"no such loss", func(s *Spec) { s.Loss = 9 }, "loss: "},
		{"no such init", func(s *Spec) { s.Model.Init = relu.Init(9) }, "model.init: the schema has no Init(9)"},
		{"depth of no blocks", func(s *Spec) { s.Model = Model{ResNet: &relu.ResNet{Widths: []int{4}}} }, "model.resnet.depth: "},
		{"nil layer inside", func(s *Spec) { s.Model = Model{Layers: []relu.Layer{relu.Residual{Body: []relu.Layer{nil}}}} }, "model.layers[0].residual.body[0]: "},
		{"no such rates", func(s *Spec) { s.Local.Rates = otherRates{} }, "local.schedule: the schema has no"},
		{"nil layer", func(s *Spec) { s.Model = Model{Layers: []relu.Layer{nil}} }, "model.layers[0]: "},
		{"no rule", func(s *Spec) { s.Server = nil }, "server: the schema has no <nil>"},
		{"no partition", func(s *Spec) { s.Shards.Partition = nil }, "shards.partition: the schema has no <nil>"},
		{"epochs and steps", func(s *Spec) { s.Local.Schedule.Steps = 5 }, "local: the schema has no"},
		{"negative count", func(s *Spec) { s.Participation = localsgd.Participation{Partial: true, Count: -1} }, "participation.count: must be"},
		{"quorum and deadline", func(s *Spec) { s.Close = Close{Quorum: 1, Deadline: 1} }, "close: the schema has no"},
		{"text", func(s *Spec) { s.Data = IDX{Dir: "\xff"} }, "invalid UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := *good
			test.change(&s)
			err := s.Check()
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want an error that wraps ErrInvalid", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %q\nwant %q", err, test.want)
			}
		})
	}
}
