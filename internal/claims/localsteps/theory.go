package localsteps

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/kernel"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// The grid of T1.
var (
	t1Widths = []int{32, 128, 512, 2048}
	t1Steps  = []int{1, 5, 10, 20}
)

// variant is what T1 varies; a zero keeps what the spec says. eta is the paper's step, twice our learning rate.
type variant struct {
	width, steps int
	eta          float64
}

// wide returns the setting of a variant of T1.
func wide(lab *claims.Lab, id string, v variant, seed uint64, more ...string) (*claims.Setting, error) {
	changes := append([]string{fmt.Sprintf("seed=%d", seed), "precision=float64"}, more...)
	if v.width > 0 {
		base, err := lab.Spec(id)
		if err != nil {
			return nil, err
		}
		first, err := hidden(base)
		if err != nil {
			return nil, err
		}
		changes = append(changes, "model.layers="+oneHidden(first.In, v.width, "relu: {}"),
			fmt.Sprintf("model.init={random_signs: {std: 1, scale: %v}}", 1/math.Sqrt(float64(v.width))))
	}
	if v.steps > 0 {
		changes = append(changes, fmt.Sprintf("local.steps=%d", v.steps))
	}
	if v.eta > 0 {
		changes = append(changes, fmt.Sprintf("local.optimizer.sgd.lr=%v", v.eta/2))
	}
	return lab.Setting(id, changes...)
}

var errHidden = errors.New("model.layers: the claim is about linear, activation, linear")

// hidden returns the layer into the hidden one of a spec's network.
func hidden(s *spec.Spec) (relu.Linear, error) {
	if len(s.Model.Layers) == 0 {
		return relu.Linear{}, errHidden
	}
	first, ok := s.Model.Layers[0].(relu.Linear)
	if !ok {
		return first, errHidden
	}
	return first, nil
}

// oneHidden writes the layers of a network of one hidden layer and one output, without biases.
func oneHidden(inputs, width int, activation string) string {
	return fmt.Sprintf("[{linear: {in: %d, out: %d, bias: false}}, {%s}, {linear: {in: %d, out: 1, bias: false}}]", inputs, width, activation, width)
}

// split measures every shard of a round of T1 and returns them in the order of the shards. The bounds are computed in float64; the
// drift is that of gradients in the precision of the models.
func split[F kernel.Float](x *experiment[F], ends [][]F, mean []F) ([]*activity.Split, error) {
	out := make([]*activity.Split, len(ends))
	probes := newExperiment[float64](x.Setting).probes
	for k, end := range ends {
		var reason string
		if out[k], reason = activity.MeasureSplit(x.Job.Net, wideOf(end), wideOf(mean), probes[k]); reason != "" {
			return nil, fmt.Errorf("model: the split of gradients does not exist: %s", reason)
		}
		trained := x.Job.Net.Layout().At(0).Size
		out[k].Drift = claims.Distance(x.gradient(k, end)[:trained], x.gradient(k, mean)[:trained])
	}
	return out, nil
}

func wideOf[F kernel.Float](values []F) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// firstRound returns the splits of the first round of a variant of T1.
func firstRound[F kernel.Float](ctx context.Context, lab *claims.Lab, v variant, seed uint64) ([]*activity.Split, error) {
	s, err := wide(lab, "P6.4", v, seed)
	if err != nil {
		return nil, err
	}
	x := newExperiment[F](s)
	ends, mean, err := x.round(ctx, 1, x.start())
	if err != nil {
		return nil, err
	}
	return split(x, ends, mean)
}

// history is a training of T1 by rounds.
type history struct {
	Loss, Drift []float64
	Splits      []*activity.Split // of all rounds and shards
}

// histories trains T1 from several seeds, in float32 from one, once for P6.1, P6.2 and P6.4.
func histories[F kernel.Float](ctx context.Context, lab *claims.Lab) ([]*history, error) {
	return claims.Once(lab, fmt.Sprintf("localsteps histories %T", F(0)), func() ([]*history, error) {
		seeds := lab.Seeds()
		if _, narrow := any(F(0)).(float32); narrow {
			seeds = seeds[:1]
		}
		out := make([]*history, len(seeds))
		err := lab.Each(ctx, len(seeds), func(ctx context.Context, i int) (err error) {
			out[i], err = train[F](ctx, lab, seeds[i])
			return err
		})
		return out, err
	})
}

func train[F kernel.Float](ctx context.Context, lab *claims.Lab, seed uint64) (*history, error) {
	s, err := wide(lab, "P6.1", variant{}, seed, lab.Yielding(claims.Pick(lab, []string{"rounds=100"}, []string{"rounds=150"}, nil)...)...)
	if err != nil {
		return nil, err
	}
	x := newExperiment[F](s)
	model := x.start()
	h := &history{Loss: []float64{x.lossAt(model)}}
	for r := 1; r <= s.Spec.Rounds; r++ {
		ends, next, err := x.round(ctx, r, model)
		if err != nil {
			return nil, err
		}
		splits, err := split(x, ends, next)
		if err != nil {
			return nil, err
		}
		drift := 0.0
		for _, s := range splits {
			drift += s.Drift / float64(len(splits))
		}
		model = next
		h.Loss, h.Drift, h.Splits = append(h.Loss, x.lossAt(model)), append(h.Drift, drift), append(h.Splits, splits...)
	}
	return h, nil
}
