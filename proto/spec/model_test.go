package spec

import (
	"errors"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func TestNetwork(t *testing.T) {
	images := &shard.Set{Shape: []int{1, 28, 28}, Classes: 10, Outputs: 10}
	targets := &shard.Set{Shape: []int{3}, Outputs: 2}
	for _, test := range []struct {
		name, model string
		set         *shard.Set
		parameters  int // counted by hand; 0 for a refusal
	}{
		{"mlp", "model.mlp={hidden: [200, 200]}", images, 785*200 + 201*200 + 201*10},
		{"without biases", "model.mlp={hidden: [5], bias: false}", targets, 3*5 + 5*2},
		{"linear", "model.mlp={}", targets, 4 * 2},
		{"layers", "model.layers=[{linear: {in: 3, out: 4}}, {leaky_relu: {}}, {linear: {in: 4, out: 2, bias: false}}]", targets, 4*4 + 4*2},
		{"cnn", "model.cnn={}", images, 1663370},
		{"cnn for no images", "model.cnn={}", targets, 0},
		{"resnet", "model.resnet={depth: 8, widths: [4]}", images, (36 + 16) + 3*2*(144+16) + 50}, // 3 blocks; buffers count
		{"shallow", "model.shallow={width: 5}", targets, 4*5 + 6*2 + 3*2},
		{"layers for other data", "model.layers=[{linear: {in: 3, out: 4}}]", images, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse("base.yaml", read(t, "testdata/base.yaml"), []string{test.model})
			if err != nil {
				t.Fatal(err)
			}
			network, err := s.Network(test.set)
			switch {
			case test.parameters == 0:
				if !errors.Is(err, relu.ErrNetwork) {
					t.Errorf("got %v, want an error that wraps ErrNetwork", err)
				}
			case err != nil:
				t.Error(err)
			case network.Parameters() != test.parameters:
				t.Errorf("got %d parameters, want %d", network.Parameters(), test.parameters)
			}
		})
	}
}

func TestUnder(t *testing.T) {
	for _, test := range []struct{ data, want Data }{
		{MNIST{}, MNIST{}},
		{IDX{Dir: "letters"}, IDX{Dir: "specs/letters"}},
		{IDX{Dir: "/data/letters"}, IDX{Dir: "/data/letters"}},
		{Safetensors{Train: "a", Test: "../b"}, Safetensors{Train: "specs/a", Test: "b"}},
		{NPZ{Train: "a", Test: "../b"}, NPZ{Train: "specs/a", Test: "b"}},
		{CIFAR10{Dir: "c"}, CIFAR10{Dir: "specs/c"}},
		{CSV{Train: "a", Test: "../b", Label: "y"}, CSV{Train: "specs/a", Test: "b", Label: "y"}},
	} {
		if got := test.data.Under("specs"); got != test.want {
			t.Errorf("%+v under specs is %+v, want %+v", test.data, got, test.want)
		}
	}
}

// TestSource: what two runs load from is equal exactly if they may share it.
func TestSource(t *testing.T) {
	s := &Spec{Data: NPZ{Train: "a", Test: "b"}, Shards: Shards{Partition: shard.Explicit{File: "l.json"}}}
	want := Source{Data: NPZ{Train: "d/a", Test: "d/b"}, Lists: "d/l.json"}
	if got := s.Source().Under("d"); got != want {
		t.Errorf("source %+v, want %+v", got, want)
	}
	s.Under("d")
	if got := s.Source(); got != want {
		t.Errorf("source of the spec under d: %+v, want %+v", got, want)
	}
	s.Shards.Partition = shard.Natural{By: "user"}
	if got := s.Source(); got.Groups != "user" || got == want {
		t.Errorf("source by groups: %+v", got)
	}
	s.Shards.Partition = shard.IID{}
	if got := (Source{Data: s.Data}); s.Source() != got || got.Under("x").Lists != "" {
		t.Errorf("source of an iid spec: %+v", s.Source())
	}
}
