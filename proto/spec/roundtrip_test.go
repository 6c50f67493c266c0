package spec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// TestRoundTrip: Proto, YAML and MarshalJSON lose nothing, and what they return reads back to the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySpec(t)
		if err := s.Check(); err != nil {
			t.Fatalf("a spec that should be good:\n%v", err)
		}
		back, err := FromProto(s.Proto())
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("from Proto: %v\ngot  %+v\nwant %+v", err, back, s)
		}
		text, err := Parse("spec.yaml", s.YAML(), nil)
		if err != nil || !reflect.DeepEqual(text, s) {
			t.Fatalf("from YAML: %v\n%s\ngot  %+v\nwant %+v", err, s.YAML(), text, s)
		}
		if !bytes.Equal(back.Proto(), s.Proto()) || !bytes.Equal(text.YAML(), s.YAML()) {
			t.Fatal("equal specs have different bytes")
		}
		sameJSON(t, s)
	})
}

// sameJSON compares the trees of both texts.
func sameJSON(t *rapid.T, s *Spec) {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(s.YAML(), &document); err != nil {
		t.Fatal(err)
	}
	if want := tree(document.Content[0]); !reflect.DeepEqual(got, want) {
		t.Fatalf("JSON %v\nYAML %v", got, want)
	}
}

// tree is what encoding/json makes of the same values.
func tree(node *yaml.Node) any {
	switch {
	case node.Kind == yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			m[node.Content[i].Value] = tree(node.Content[i+1])
		}
		return m
	case node.Kind == yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			list = append(list, tree(item))
		}
		return list
	case node.ShortTag() == "!!str":
		return node.Value
	case node.ShortTag() == "!!bool":
		return node.Value == "true"
	}
	return json.Number(node.Value)
}

func anySpec(t *rapid.T) *Spec {
	count := rapid.IntRange(1, 1_000_000).Draw(t, "count")
	s := &Spec{
		Name:          rapid.StringMatching(`([A-Za-z0-9][A-Za-z0-9._-]{0,99})?`).Draw(t, "name"),
		Seed:          rapid.Uint64().Draw(t, "seed"),
		Rounds:        rapid.IntRange(1, 1<<31-1).Draw(t, "rounds"),
		Data:          anyData(t),
		Shards:        Shards{Count: count, Partition: anyPartition(t)},
		Model:         anyModel(t),
		Loss:          rapid.SampledFrom([]relu.Loss{relu.CrossEntropy, relu.MSE}).Draw(t, "loss"),
		Local:         anyLocal(t),
		Participation: anyParticipation(t, count),
		Server:        localsgd.FedAvg{LR: rapid.Float64Range(0, 1e12).Draw(t, "server lr")},
		Weighting:     rapid.SampledFrom([]localsgd.Weighting{localsgd.ByExamples, localsgd.Uniform}).Draw(t, "weighting"),
		OnDivergence:  rapid.SampledFrom([]Divergence{Fail, Continue}).Draw(t, "on_divergence"),
		GiveUp:        anyDuration(t, 1),
		Drift: Drift{
			Every:  rapid.IntRange(0, 9).Draw(t, "drift.every"),
			Shards: rapid.IntRange(1, 9).Draw(t, "drift.shards"),
			Probe:  rapid.IntRange(1, 1_000_000).Draw(t, "probe"),
		},
		Rank: Rank{
			Every:   rapid.IntRange(0, 9).Draw(t, "rank.every"),
			Epsilon: rapid.Float64Range(1e-300, 0.999).Draw(t, "epsilon"),
			MaxSide: rapid.IntRange(1, 65536).Draw(t, "max_side"),
		},
		EvaluateEvery: rapid.IntRange(0, 1<<31-1).Draw(t, "evaluate.every"),
		Keep: Keep{
			Last:  rapid.IntRange(1, 9).Draw(t, "last"),
			Every: rapid.IntRange(0, 9).Draw(t, "keep.every"),
			Best:  rapid.Bool().Draw(t, "best"),
		},
	}
	if s.EvaluateEvery > 0 && rapid.Bool().Draw(t, "stop") {
		s.StopAccuracy = rapid.Float64Range(1e-300, 1).Draw(t, "accuracy")
	}
	if rapid.Bool().Draw(t, "limited") {
		s.Shards.Limit = rapid.IntRange(count, 1<<31-1).Draw(t, "limit")
	}
	sizes(t, s)
	s.Close = anyClose(t, s.Participation.Size(s.Shards.Count))
	return s
}

// sizes may replace the partition by one that fixes the number of shards.
func sizes(t *rapid.T, s *Spec) {
	if rapid.IntRange(0, 4).Draw(t, "sizes") > 0 {
		return
	}
	list := rapid.SliceOfN(rapid.IntRange(1, 1<<31-1), 1, 5).Draw(t, "list")
	s.Shards = Shards{Count: len(list), Partition: shard.Contiguous{Sizes: list}}
	s.Participation.Count = min(s.Participation.Count, len(list))
}

func anyData(t *rapid.T) Data {
	path := rapid.StringN(1, 50, 4096) // any text at all
	return rapid.OneOf(
		rapid.Just[Data](MNIST{}),
		rapid.Map(path, func(p string) Data { return IDX{Dir: p} }),
		rapid.Map(path, func(p string) Data { return Safetensors{Train: p, Test: p + "2"} }),
	).Draw(t, "data")
}

func anyPartition(t *rapid.T) shard.Partition {
	k := rapid.IntRange(1, 1_000_000).Draw(t, "per_shard")
	return rapid.SampledFrom([]shard.Partition{
		shard.IID{}, shard.Contiguous{}, shard.LabelShards{PerShard: k}, shard.Labels{PerShard: k},
		shard.Dirichlet{Alpha: float64(k), Form: shard.ByClass}, shard.Dirichlet{Alpha: 1 / float64(k), Form: shard.ByShard},
	}).Draw(t, "partition")
}

func anyModel(t *rapid.T) Model {
	slope := rapid.SampledFrom([]float64{0, 1e-30, 0.01, 1}).Draw(t, "slope")
	m := Model{Init: rapid.SampledFrom([]relu.Init{relu.KaimingUniform, relu.KaimingNormal, relu.Xavier}).Draw(t, "init")}
	widths := rapid.SliceOfN(rapid.IntRange(1, 10_000), 0, 5).Draw(t, "widths")
	if rapid.Bool().Draw(t, "mlp") {
		m.MLP = &relu.MLP{NoBias: rapid.Bool().Draw(t, "no bias"), Slope: slope}
		m.MLP.Hidden = append(m.MLP.Hidden, widths...)
		return m
	}
	m.Layers = relu.MLP{Input: 784, Hidden: widths, Output: 10, Slope: slope}.Layers()
	return m
}

func anyLocal(t *rapid.T) localsgd.Local {
	l := localsgd.Local{
		Schedule: shard.Schedule{
			Order: rapid.SampledFrom([]shard.Order{shard.Shuffle, shard.Replacement, shard.Cyclic, shard.Sequential}).Draw(t, "order"),
			Batch: rapid.IntRange(0, 1<<24).Draw(t, "batch"),
		},
		SGD: localsgd.SGD{
			LR:          rapid.Float64Range(0, 1e12).Draw(t, "lr"),
			Momentum:    rapid.Float64Range(0, 0.999).Draw(t, "momentum"),
			WeightDecay: rapid.Float64Range(0, 1).Draw(t, "weight_decay"),
		},
	}
	l.SGD.Nesterov = l.SGD.Momentum > 0 && rapid.Bool().Draw(t, "nesterov")
	if n := rapid.IntRange(1, 1_000_000).Draw(t, "length"); rapid.Bool().Draw(t, "epochs") {
		l.Schedule.Epochs = n
	} else {
		l.Schedule.Steps = n
	}
	return l
}

func anyParticipation(t *rapid.T, count int) localsgd.Participation {
	return rapid.OneOf(
		rapid.Just(localsgd.Participation{}),
		rapid.Map(rapid.Float64Range(0, 0.999), func(f float64) localsgd.Participation { return localsgd.Participation{Partial: true, Fraction: f} }),
		rapid.Map(rapid.IntRange(1, count), func(n int) localsgd.Participation { return localsgd.Participation{Partial: true, Count: n} }),
	).Draw(t, "participation")
}

func anyClose(t *rapid.T, participants int) Close {
	return rapid.SampledFrom([]Close{
		{},
		{Quorum: rapid.IntRange(1, participants).Draw(t, "quorum"), Grace: anyDuration(t, 0)},
		{Deadline: anyDuration(t, 1)},
	}).Draw(t, "close")
}

func anyDuration(t *rapid.T, low int64) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
	return unit * time.Duration(rapid.Int64Range(low, 8760).Draw(t, "units"))
}
