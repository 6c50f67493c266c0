package wire

import (
	"math"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// maxOwn bounds the shards that one worker may have brought: about 150 bytes each, and all go into one message.
const maxOwn = 1 << 12

func encodeOwn(own []OwnShard) (list []*fedreluv1.OwnShard) {
	for _, o := range own {
		list = append(list, &fedreluv1.OwnShard{Shard: uint32(o.Shard), Part: &fedreluv1.PartRecord{
			Examples: uint64(o.Examples), Tests: uint64(o.Tests), Data: encodeFingerprint(o.Data),
		}})
	}
	return list
}

func decodeOwn(list []*fedreluv1.OwnShard) (own []OwnShard, err error) {
	if len(list) > maxOwn {
		return nil, malformed("own", "%d shards, want at most %d", len(list), maxOwn)
	}
	for i, m := range list {
		p := m.GetPart()
		if m.GetShard() >= MaxShards || i > 0 && int(m.GetShard()) <= own[i-1].Shard {
			return nil, malformed("own", "shard %d at %d, want ascending shards below %d", m.GetShard(), i, MaxShards)
		}
		if p.GetExamples() < 1 || p.GetExamples() > shard.MaxExamples || p.GetTests() > shard.MaxExamples {
			return nil, malformed("own", "shard %d with %d training and %d test examples", m.GetShard(), p.GetExamples(), p.GetTests())
		}
		o := OwnShard{Shard: int(m.GetShard()), Part: shard.Part{Examples: int(p.GetExamples()), Tests: int(p.GetTests())}}
		if o.Data, err = decodeFingerprint(p.GetData()); err != nil {
			return nil, err
		}
		own = append(own, o)
	}
	return own, nil
}

func decodeScored(m *fedreluv1.Scored) (FromWorker, error) {
	key, k, err := decodeTask(m)
	if err != nil {
		return nil, err
	}
	// A model that has gone astray may have a loss of NaN; that is no mistake of the worker's.
	if m.GetExamples() < 1 || m.GetExamples() > shard.MaxExamples || m.GetCorrect() > m.GetExamples() || m.GetLossSum() == math.Inf(-1) {
		return nil, malformed("scored", "%d of %d examples correct, loss %g", m.GetCorrect(), m.GetExamples(), m.GetLossSum())
	}
	return Scored{key, k, localsgd.Sums{Loss: m.GetLossSum(), Correct: int(m.GetCorrect()), Examples: int(m.GetExamples())}}, nil
}

func decodeScore(m *fedreluv1.Score) (ToWorker, error) {
	key, shards, err := decodeKeyed(m)
	if err != nil {
		return nil, err
	}
	model, err := decodeHash("model_sha256", m.GetModelSha256())
	return Score{key, shards, model}, err
}
