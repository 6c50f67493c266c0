package wire

import (
	"math"
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// EncodePush returns the generated form of a push's header.
func EncodePush(p *Push) *fedreluv1.PushHeader {
	h := &fedreluv1.PushHeader{
		Session: p.Session, Run: p.Run, Round: uint32(p.Round),
		StartSha256: p.Start[:], LayoutFingerprint: p.Layout[:],
		Kind: fedreluv1.PushHeader_KIND_UPDATE, Quanta: p.Quanta,
		PayloadBytes: uint64(p.Bytes), PayloadSha256: p.SHA256[:],
	}
	if p.Sum {
		h.Kind = fedreluv1.PushHeader_KIND_SUM
	}
	for _, t := range p.Tasks {
		h.Tasks = append(h.Tasks, &fedreluv1.PushedTask{
			Shard: uint32(t.Shard), Weight: uint64(t.Weight), Steps: uint32(t.Steps), Examples: uint64(t.Examples),
			LossSum: t.LossSum, TrainSeconds: t.Train.Seconds(), StateSha256: encodeOptionalHash(t.State),
		})
	}
	return h
}

// DecodePush checks a push's header for what can be known without its round.
func DecodePush(h *fedreluv1.PushHeader) (*Push, error) {
	key, err := decodeKey(h.GetRun(), h.GetRound())
	if err != nil {
		return nil, err
	}
	p := &Push{Key: key, Session: h.GetSession(), Quanta: h.GetQuanta(), Sum: h.GetKind() == fedreluv1.PushHeader_KIND_SUM}
	if !p.Sum && h.GetKind() != fedreluv1.PushHeader_KIND_UPDATE {
		return nil, malformed("kind", "%v", h.GetKind())
	}
	if p.Start, err = decodeHash("start_sha256", h.GetStartSha256()); err != nil {
		return nil, err
	}
	if p.Layout, err = decodeHash("layout_fingerprint", h.GetLayoutFingerprint()); err != nil {
		return nil, err
	}
	if p.SHA256, err = decodeHash("payload_sha256", h.GetPayloadSha256()); err != nil {
		return nil, err
	}
	if h.GetPayloadBytes() == 0 || h.GetPayloadBytes() > math.MaxInt64/2 {
		return nil, malformed("payload_bytes", "%d", h.GetPayloadBytes())
	}
	p.Bytes = int64(h.GetPayloadBytes())
	return p, p.decodeTasks(h.GetTasks())
}

func (p *Push) decodeTasks(tasks []*fedreluv1.PushedTask) error {
	if n := len(tasks); n == 0 || n > MaxShards || p.Sum == (n == 1) {
		return malformed("tasks", "%d tasks in a push with sum = %t, want one in an update and more in a sum", n, p.Sum)
	}
	p.Tasks = make([]PushedTask, len(tasks))
	for i, t := range tasks {
		switch {
		case t.GetShard() >= MaxShards || i > 0 && t.GetShard() <= tasks[i-1].GetShard():
			return malformed("tasks", "shard %d at place %d, want ascending shards below %d", t.GetShard(), i, MaxShards)
		case t.GetWeight() == 0 || t.GetWeight() > uint64(localsgd.One):
			return malformed("tasks", "weight %d of shard %d, want 1 to %d", t.GetWeight(), t.GetShard(), uint64(localsgd.One))
		case math.IsNaN(t.GetLossSum()) || math.IsInf(t.GetLossSum(), 0):
			return malformed("tasks", "loss_sum %g of shard %d", t.GetLossSum(), t.GetShard())
		case !(t.GetTrainSeconds() >= 0 && t.GetTrainSeconds() < 1e9) || t.GetExamples() > math.MaxInt64/2:
			return malformed("tasks", "train_seconds %g and %d examples of shard %d", t.GetTrainSeconds(), t.GetExamples(), t.GetShard())
		}
		state, err := decodeOptionalHash("tasks.state_sha256", t.GetStateSha256())
		if err != nil {
			return err
		}
		p.Tasks[i] = PushedTask{
			State: state,
			Share: localsgd.Share{Shard: int(t.GetShard()), Weight: localsgd.Weight(t.GetWeight())},
			Facts: localsgd.Facts{Steps: int(t.GetSteps()), Examples: int(t.GetExamples()), LossSum: t.GetLossSum()},
			Train: time.Duration(t.GetTrainSeconds() * float64(time.Second)),
		}
	}
	return nil
}

// EncodeReply returns the generated form of the answer to a push.
func EncodeReply(r PushReply) *fedreluv1.PushReply {
	return &fedreluv1.PushReply{Verdict: fedreluv1.PushReply_Verdict(r.Verdict), Reason: r.Reason}
}

// DecodeReply checks the answer to a push.
func DecodeReply(r *fedreluv1.PushReply) (PushReply, error) {
	v := Verdict(r.GetVerdict())
	if v < Counted || v > Refused {
		return PushReply{}, malformed("verdict", "%v", r.GetVerdict())
	}
	return PushReply{v, decodeReason(r.GetReason())}, nil
}

// EncodeFetch returns the generated form of a fetch.
func EncodeFetch(f Fetch) *fedreluv1.FetchRequest {
	return &fedreluv1.FetchRequest{Session: f.Session, Run: f.Run, Sha256: f.Model[:]}
}

// DecodeFetch checks a fetch.
func DecodeFetch(r *fedreluv1.FetchRequest) (Fetch, error) {
	run, err := decodeRun(r.GetRun())
	if err != nil {
		return Fetch{}, err
	}
	model, err := decodeHash("sha256", r.GetSha256())
	return Fetch{r.GetSession(), run, model}, err
}
