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
	"github.com/fedrelu/fedrelu/localsgd/shard/synthetic"
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
		Precision:     rapid.SampledFrom([]localsgd.Precision{localsgd.Float32, localsgd.Float64}).Draw(t, "precision"),
		Participation: anyParticipation(t, count),
		Weighting:     rapid.SampledFrom([]localsgd.Weighting{localsgd.ByExamples, localsgd.Uniform}).Draw(t, "weighting"),
		OnDivergence:  rapid.SampledFrom([]Divergence{Fail, Continue}).Draw(t, "on_divergence"),
		GiveUp:        anyDuration(t, 1),
		State:         rapid.SampledFrom([]StatePlace{StateAuto, StateAtCoordinator, StateAtWorker}).Draw(t, "state"),
		StateDeadline: anyDuration(t, 1),
		OnStateLost:   rapid.SampledFrom([]StateLoss{FailWithoutState, StartAfresh}).Draw(t, "on_state_lost"),
		Drift: Drift{
			Every:  rapid.IntRange(0, 9).Draw(t, "drift.every"),
			Shards: rapid.IntRange(1, 9).Draw(t, "drift.shards"),
			Probe:  rapid.IntRange(1, 1_000_000).Draw(t, "probe"),
		},
		Rank: Rank{
			Every:   rapid.IntRange(0, 9).Draw(t, "rank.every"),
			Epsilon: rapid.Float64Range(1e-300, 0.999).Draw(t, "epsilon"),
			MaxSide: rapid.IntRange(1, 65536).Draw(t, "max_side"),
			Spectra: rapid.IntRange(0, 9).Draw(t, "spectra"),
		},
		Studies:       anyStudies(t),
		EvaluateEvery: rapid.IntRange(0, 1<<31-1).Draw(t, "evaluate.every"),
		Keep: Keep{
			Last:  rapid.IntRange(1, 9).Draw(t, "last"),
			Every: rapid.IntRange(0, 9).Draw(t, "keep.every"),
			Best:  rapid.Bool().Draw(t, "best"),
		},
	}
	if s.Source().Groups != "" {
		s.Data = NPZ{Train: "a", Test: "b"} // other data have no groups
	}
	s.Local = anyLocal(t, s.Model)
	s.Server = anyRule(t, s.Local)
	if s.Loss == relu.CrossEntropy {
		s.Smoothing = rapid.SampledFrom([]float64{0, 0.1, 0.999}).Draw(t, "smoothing")
	}
	if s.EvaluateEvery > 0 && rapid.Bool().Draw(t, "stop") {
		s.StopAccuracy = rapid.Float64Range(1e-300, 1).Draw(t, "accuracy")
	}
	if rapid.Bool().Draw(t, "limited") {
		s.Shards.Limit = rapid.IntRange(count, 1<<31-1).Draw(t, "limit")
	}
	sizes(t, s)
	if scale := rapid.Float64Range(0, 1e12).Draw(t, "scale"); rapid.Bool().Draw(t, "attack") {
		s.Byzantine = localsgd.Byzantine{Fraction: rapid.Float64Range(0, 1).Draw(t, "attackers"), Attack: rapid.SampledFrom([]localsgd.Attack{
			localsgd.SignFlip{Scale: scale}, localsgd.ScaledNoise{Scale: scale}, localsgd.LabelFlip{}, localsgd.SameValue{Value: -scale}}).Draw(t, "kind")}
	}
	s.Close = anyClose(t, s.Participation.Size(s.Shards.Count))
	if rule, combines := s.Server.(localsgd.Combiner); combines {
		if n := s.Participation.Size(s.Shards.Count); n < rule.Least() || s.Close.Quorum > 0 && s.Close.Quorum < rule.Least() {
			s.Server = localsgd.Median{}
		}
	}
	if rule, is := s.Server.(localsgd.Asynchronous); is {
		if rule.Capacity() <= s.Shards.Count {
			s.Close, s.TaskLimit = Close{}, anyDuration(t, 0) // nothing of planned rounds goes with it
			return s
		}
		s.Server = localsgd.FedAvg{LR: 1}
	}
	anyHeterogeneity(t, s)
	return s
}

// anyHeterogeneity draws who takes part otherwise than uniformly, and a simulated clock.
func anyHeterogeneity(t *rapid.T, s *Spec) {
	s.TaskLimit = anyDuration(t, 0)
	_, nova := s.Server.(localsgd.FedNova)
	s.Participation.BySize = rapid.Bool().Draw(t, "by examples") && !(nova && s.Weighting == localsgd.ByExamples)
	if s.Participation.Size(s.Shards.Count) < s.Shards.Count && s.Close.Quorum == 0 && rapid.Bool().Draw(t, "invite more") {
		s.Participation.Over = rapid.Float64Range(1.001, 1e6).Draw(t, "over")
	}
	if s.Close != (Close{}) || rapid.Bool().Draw(t, "real clock") {
		return
	}
	s.Simulate = localsgd.Simulation{
		Stragglers: rapid.Float64Range(0, 1).Draw(t, "stragglers"), Dropout: rapid.Float64Range(0, 1).Draw(t, "dropout"),
		Deadline: rapid.Float64Range(0, 1e12).Draw(t, "simulated deadline"), Partial: true,
		Speed: rapid.SampledFrom([]localsgd.Speed{{}, {Sigma: 0.5}, {Low: 0.25, High: 4}}).Draw(t, "speed"),
	}
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
		rapid.Map(rapid.Uint64(), anySynthetic),
		rapid.Map(path, func(p string) Data { return CIFAR10{Dir: p} }),
		rapid.Map(path, func(p string) Data { return NPZ{Train: p, Test: p + "2"} }),
		rapid.Map(path, func(p string) Data {
			return CSV{Train: p, Test: p, Label: p, Regression: len(p)%2 == 0, NoHeader: len(p)%3 == 0}
		}),
	).Draw(t, "data")
}

func anySynthetic(seed uint64) Data {
	n := 1 + int(seed%100)
	return []Data{
		Synthetic{synthetic.Teacher{Seed: seed, Train: n, Test: 1, Inputs: n, Hidden: 2, Outputs: n, Noise: 0.5}},
		Synthetic{synthetic.Linear{Seed: seed, Train: n, Test: 1, Inputs: 3, Outputs: n, Noise: 1e-9}},
		Synthetic{synthetic.FedProx{Seed: seed, Alpha: 0.5, Beta: 1 / float64(n), IID: n%2 == 0, Devices: n, Inputs: 2, Classes: 3}},
		Synthetic{synthetic.Gaussian{Seed: seed, Train: n, Test: 1, Inputs: 2, Classes: 1 + n, Spread: 0.5, Noise: 2}},
		Synthetic{synthetic.Function{Seed: seed, Train: n, Test: 1, Of: synthetic.Univariate(n % 3), Noise: 0.5}},
	}[seed/100%5]
}

func anyPartition(t *rapid.T) shard.Partition {
	k := rapid.IntRange(1, 1_000_000).Draw(t, "per_shard")
	return rapid.SampledFrom([]shard.Partition{
		shard.IID{}, shard.Contiguous{}, shard.LabelShards{PerShard: k}, shard.Labels{PerShard: k},
		shard.Dirichlet{Alpha: float64(k), Form: shard.ByClass}, shard.Dirichlet{Alpha: 1 / float64(k), Form: shard.ByShard},
		shard.Quantity{Law: shard.Power, Rate: 1 / float64(k)}, shard.Quantity{Law: shard.Exponential}, shard.Natural{By: "k"}, shard.Explicit{File: "k.csv"},
	}).Draw(t, "partition")
}

func anyModel(t *rapid.T) Model {
	slope := rapid.SampledFrom([]float64{0, 1e-30, 0.01, 1}).Draw(t, "slope")
	m := Model{Init: rapid.SampledFrom([]relu.Initializer{
		relu.KaimingUniform, relu.KaimingNormal, relu.Xavier, relu.Zero, relu.Gaussian{Std: slope}, relu.Identity{C: slope, P: 1 - slope}, nil,
	}).Draw(t, "init")}
	if m.Init == nil {
		m.File = "../a start.safetensors"
	}
	flag := rapid.Bool().Draw(t, "flag")
	widths := rapid.SliceOfN(rapid.IntRange(1, 10_000), 0, 5).Draw(t, "widths")
	switch rapid.SampledFrom([]string{"mlp", "cnn", "resnet", "shallow", "layers"}).Draw(t, "model") {
	case "mlp":
		norm := rapid.SampledFrom([]relu.Norm{relu.NoNorm, relu.BatchNorms, relu.LayerNorms}).Draw(t, "norm")
		m.MLP = &relu.MLP{NoBias: flag, Slope: slope, Norm: norm, Residual: rapid.Bool().Draw(t, "residual")}
		m.MLP.Hidden = append(m.MLP.Hidden, widths...)
	case "cnn":
		m.CNN = &relu.CNN{}
	case "resnet":
		m.ResNet = &relu.ResNet{Blocks: rapid.IntRange(1, 9).Draw(t, "blocks"), Widths: append([]int{5}, widths...)}
	case "shallow":
		if flag {
			m.Init, m.File = relu.RandomSigns{Std: slope, Scale: 1 - slope}, ""
		}
		m.Shallow = &relu.Shallow{Width: 1 + len(widths), Slope: slope, Skip: flag}
	default:
		m.Layers = anyLayers(t, relu.MLP{Input: 784, Hidden: widths, Output: 10, Slope: slope}.Layers())
	}
	return m
}

// anyLayers puts any layers around those that are given; whether they fit each other depends on the data.
func anyLayers(t *rapid.T, inner []relu.Layer) []relu.Layer {
	n, x := rapid.IntRange(1, 9).Draw(t, "n"), rapid.Float64Range(1e-9, 1).Draw(t, "x")
	kind := rapid.SampledFrom([]relu.Layer{
		relu.Conv2D{In: n, Out: n + 1, Kernel: n, Stride: n, Padding: n - 1, Bias: n%2 == 0}, relu.MaxPool2D{Kernel: n, Stride: n + 1},
		relu.AvgPool2D{Kernel: n + 1, Stride: n}, relu.GlobalAvgPool2D{}, relu.Flatten{}, relu.Scale{Factor: -x}, relu.Softplus{},
		relu.BatchNorm{Features: n, Dims: 1 + n%2, Eps: x, Momentum: 1 - x}, relu.LayerNorm{Features: n, Eps: x},
		relu.GroupNorm{Groups: n, Features: 2 * n, Eps: x},
	})
	layers := rapid.SliceOfN(kind, 0, 4).Draw(t, "before")
	pool := relu.GlobalAvgPool2D{} // so that nothing is known about what follows
	layers = append(append(layers, pool), inner...)
	if rapid.Bool().Draw(t, "nested") {
		layers = append([]relu.Layer{relu.Residual{Body: layers}, pool}, inner...)
		layers = append(layers, relu.Residual{Body: inner[:0:0], Shortcut: nil}, pool)
		return normalised(layers)
	}
	return layers
}

// normalised makes empty lists nil, as they come back.
func normalised(layers []relu.Layer) []relu.Layer {
	for i, l := range layers {
		if r, ok := l.(relu.Residual); ok && len(r.Body) == 0 {
			layers[i] = relu.Residual{Shortcut: r.Shortcut}
		}
	}
	return layers
}

func anyLocal(t *rapid.T, m Model) localsgd.Local {
	l := localsgd.Local{
		Schedule: shard.Schedule{
			Order: rapid.SampledFrom([]shard.Order{shard.Shuffle, shard.Replacement, shard.Cyclic, shard.Sequential}).Draw(t, "order"),
			Batch: rapid.IntRange(0, 1<<24).Draw(t, "batch"),
		},
		Rates: rapid.SampledFrom([]localsgd.LRSchedule{
			nil, localsgd.StepLR{Size: 3, Gamma: 0.5}, localsgd.ExponentialLR{Gamma: 0}, localsgd.CosineLR{Rounds: 7, Min: 0.25},
		}).Draw(t, "rates"),
		Warmup:   localsgd.Warmup{Rounds: rapid.IntRange(0, 9).Draw(t, "warm-up"), Start: rapid.Float64Range(0, 1).Draw(t, "start")},
		ClipNorm: rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "clip_norm"),
		Freeze:   rapid.SampledFrom([][]string{nil, {"0.*", "[ab]"}}).Draw(t, "freeze"),

		ProxMu:     rapid.SampledFrom([]float64{0, 1e-9, 1}).Draw(t, "prox_mu"),
		ClipUpdate: rapid.SampledFrom([]float64{0, 2.5}).Draw(t, "clip_update"),
		KeepState:  rapid.Bool().Draw(t, "keep_state"),
		PostLocal:  rapid.IntRange(0, 9).Draw(t, "post_local"),
		Personal:   rapid.SampledFrom([][]string{nil, {"*.bias"}}).Draw(t, "personal"),
		FedBN:      rapid.Bool().Draw(t, "fedbn"),
	}
	noDecay := rapid.SampledFrom([][]string{nil, {"*.bias"}}).Draw(t, "no_decay")
	if m.Shallow != nil {
		l.PathNorm = rapid.SampledFrom([]float64{0, 1e-3}).Draw(t, "path_norm")
		noDecay = []string{"2.weight"} // none would be the preset's
	}
	lr, decay := rapid.Float64Range(0, 1e12).Draw(t, "lr"), rapid.Float64Range(0, 1).Draw(t, "weight_decay")
	if rapid.Bool().Draw(t, "adamw") {
		l.AdamW = &localsgd.AdamW{LR: lr, Beta1: 0, Beta2: 0.5, Eps: 1e-8, WeightDecay: decay, NoDecay: noDecay}
	} else {
		l.SGD = localsgd.SGD{LR: lr, Momentum: rapid.Float64Range(0, 0.999).Draw(t, "momentum"), WeightDecay: decay, NoDecay: noDecay}
		l.SGD.Nesterov = l.SGD.Momentum > 0 && rapid.Bool().Draw(t, "nesterov")
	}
	if n := rapid.IntRange(1, 1_000_000).Draw(t, "length"); rapid.Bool().Draw(t, "epochs") {
		l.Schedule.Epochs = n
	} else {
		l.Schedule.Steps = n
	}
	return l
}

// anyRule returns a rule that goes with the local work.
func anyRule(t *rapid.T, l localsgd.Local) localsgd.Rule {
	lr, half := rapid.Float64Range(0, 1e12).Draw(t, "server lr"), rapid.Float64Range(0, 0.999).Draw(t, "beta")
	rule := rapid.SampledFrom(append(localsgd.Rules(),
		localsgd.FedAvg{LR: lr}, localsgd.FedAvgM{LR: lr, Beta: half, Nesterov: true}, localsgd.DiLoCo{LR: lr, Beta: half},
		localsgd.SlowMo{LR: lr, Beta: half}, localsgd.FedAdagrad{LR: lr, Beta1: half, Tau: 1}, localsgd.FedNova{LR: lr},
		localsgd.FedAdam{LR: lr, Beta1: half, Tau: 1e-15}, localsgd.FedYogi{LR: lr, Beta2: half, Tau: 1}, localsgd.Scaffold{LR: lr, Option: 1},
		localsgd.TrimmedMean{Beta: half / 2}, localsgd.Krum{F: 0}, localsgd.MultiKrum{F: 2, M: 9}, localsgd.GeometricMedian{Iterations: 9, Eps: 1},
		localsgd.NormClipping{Bound: lr},
		localsgd.FedBuff{LR: lr, Beta: half, Buffer: 3, Threshold: 2, After: 0.5},
	)).Draw(t, "rule")
	if local, is := rule.(localsgd.LocalRule); is {
		if _, err := local.Local(l); err != nil {
			return localsgd.FedAvg{LR: lr}
		}
	}
	return rule
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
		{Adaptive: Adaptive{K: rapid.Float64Range(0.001, 1e6).Draw(t, "k"), Observations: rapid.IntRange(1, 1000).Draw(t, "observations"), Floor: anyDuration(t, 0)}},
	}).Draw(t, "close")
}

func anyDuration(t *rapid.T, low int64) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
	return unit * time.Duration(rapid.Int64Range(low, 8760).Draw(t, "units"))
}
