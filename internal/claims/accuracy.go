package claims

import (
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// scoringBatch is how many examples are scored together.
const scoringBatch = 200

// TrainAccuracy returns the accuracy on the first examples of the shards in turn, at most so many: what gates look at.
func (s *Setting) TrainAccuracy(params []float32, limit int) float64 {
	var examples []int32
	for i := 0; len(examples) < limit; i++ {
		before := len(examples)
		for _, one := range s.Job.Shards {
			if i < len(one) && len(examples) < limit {
				examples = append(examples, one[i])
			}
		}
		if len(examples) == before {
			break
		}
	}
	return accuracy(s.Job.Net, params, s.Job.Data.Train, examples)
}

// TestAccuracy returns the accuracy on the first examples of the test set, at most so many.
func (s *Setting) TestAccuracy(params []float32, limit int) float64 {
	examples := make([]int32, min(limit, s.Job.Data.Test.Len()))
	for i := range examples {
		examples[i] = int32(i)
	}
	return accuracy(s.Job.Net, params, s.Job.Data.Test, examples)
}

func accuracy(net *relu.Network, params []float32, set *shard.Set, examples []int32) float64 {
	machine := relu.NewMachine[float32](net, scoringBatch)
	correct := 0
	for from := 0; from < len(examples); from += scoringBatch {
		_, right := machine.Evaluate(params, localsgd.Fill(machine, set, examples[from:min(from+scoringBatch, len(examples))]))
		correct += right
	}
	return float64(correct) / float64(len(examples))
}
