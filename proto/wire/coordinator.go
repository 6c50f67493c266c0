package wire

import (
	"time"

	"github.com/fedrelu/fedrelu/localsgd"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// EncodeToWorker returns the generated form of a coordinator's message.
func EncodeToWorker(m ToWorker) *fedreluv1.CoordinatorMessage {
	switch m := m.(type) {
	case Welcome:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Welcome{Welcome: &fedreluv1.Welcome{
			Session: m.Session, HeartbeatMillis: uint32(m.Heartbeat.Milliseconds()), LostMillis: uint32(m.Lost.Milliseconds()), Build: m.Build}}}
	case StartRun:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_StartRun{StartRun: &fedreluv1.StartRun{
			Run: m.Run, Spec: m.Spec, LayoutFingerprint: m.Layout[:], Data: encodeFingerprint(m.Data), Own: encodeOwn(m.Own)}}}
	case Assign:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Assign{Assign: encodeAssign(m)}}
	case Flush:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Flush{
			Flush: &fedreluv1.Flush{Run: m.Run, Round: uint32(m.Round)}}}
	case Abandon:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Abandon{
			Abandon: &fedreluv1.Abandon{Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards)}}}
	case Measure:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Measure{Measure: &fedreluv1.Measure{
			Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards),
			StartSha256: m.Start[:], ModelSha256: m.Model[:], Probe: uint32(m.Probe), Steps: encodeShards(m.Steps)}}}
	case Score:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Score{Score: &fedreluv1.Score{
			Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards), ModelSha256: m.Model[:]}}}
	case Study:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_Study{Study: encodeStudy(m)}}
	case CloseRun:
		return &fedreluv1.CoordinatorMessage{Message: &fedreluv1.CoordinatorMessage_CloseRun{CloseRun: &fedreluv1.CloseRun{Run: m.Run, Over: m.Over}}}
	}
	panic("wire: a message of no known type")
}

// DecodeToWorker checks a coordinator's message.
func DecodeToWorker(c *fedreluv1.CoordinatorMessage) (ToWorker, error) {
	switch m := c.GetMessage().(type) {
	case *fedreluv1.CoordinatorMessage_Welcome:
		return decodeWelcome(m.Welcome)
	case *fedreluv1.CoordinatorMessage_StartRun:
		return decodeStartRun(m.StartRun)
	case *fedreluv1.CoordinatorMessage_Assign:
		return decodeAssign(m.Assign)
	case *fedreluv1.CoordinatorMessage_Flush:
		key, err := decodeKey(m.Flush.GetRun(), m.Flush.GetRound())
		return Flush{key}, err
	case *fedreluv1.CoordinatorMessage_Abandon:
		key, shards, err := decodeKeyed(m.Abandon)
		return Abandon{key, shards}, err
	case *fedreluv1.CoordinatorMessage_Measure:
		return decodeMeasure(m.Measure)
	case *fedreluv1.CoordinatorMessage_Study:
		return decodeStudy(m.Study)
	case *fedreluv1.CoordinatorMessage_Score:
		return decodeScore(m.Score)
	case *fedreluv1.CoordinatorMessage_CloseRun:
		run, err := decodeRun(m.CloseRun.GetRun())
		return CloseRun{run, m.CloseRun.GetOver()}, err
	}
	return nil, malformed("message", "of no kind that this version knows")
}

func decodeWelcome(m *fedreluv1.Welcome) (ToWorker, error) {
	w := Welcome{
		Session: m.GetSession(), Build: m.GetBuild(),
		Heartbeat: time.Duration(m.GetHeartbeatMillis()) * time.Millisecond,
		Lost:      time.Duration(m.GetLostMillis()) * time.Millisecond,
	}
	if w.Heartbeat <= 0 || w.Lost < w.Heartbeat {
		return w, malformed("welcome", "heartbeat %v and lost %v, want 0 < heartbeat <= lost", w.Heartbeat, w.Lost)
	}
	return w, nil
}

func decodeStartRun(m *fedreluv1.StartRun) (ToWorker, error) {
	run, err := decodeRun(m.GetRun())
	if err != nil {
		return nil, err
	}
	s := StartRun{Run: run, Spec: m.GetSpec()}
	if len(s.Spec) > maxSpec {
		return s, malformed("spec", "%d bytes, want at most %d", len(s.Spec), maxSpec)
	}
	if s.Layout, err = decodeHash("layout_fingerprint", m.GetLayoutFingerprint()); err != nil {
		return s, err
	}
	if s.Data, err = decodeFingerprint(m.GetData()); err != nil {
		return s, err
	}
	s.Own, err = decodeOwn(m.GetOwn())
	return s, err
}

func encodeAssign(m Assign) *fedreluv1.Assign {
	a := &fedreluv1.Assign{Run: m.Run, Round: uint32(m.Round), StartSha256: m.Start[:], Sum: m.Sum, OpenFrom: uint32(m.OpenFrom), Tasks: make([]*fedreluv1.Task, len(m.Tasks))}
	for i, t := range m.Tasks {
		a.Tasks[i] = &fedreluv1.Task{
			Shard: uint32(t.Shard), Weight: uint64(t.Weight), Measured: t.Measured, Steps: uint32(t.Steps), StateSha256: encodeOptionalHash(t.State),
		}
	}
	return a
}

func decodeAssign(m *fedreluv1.Assign) (ToWorker, error) {
	key, err := decodeKey(m.GetRun(), m.GetRound())
	if err != nil {
		return nil, err
	}
	a := Assign{Key: key, Sum: m.GetSum(), OpenFrom: int(m.GetOpenFrom())}
	if a.OpenFrom > key.Round {
		return a, malformed("open_from", "%d, want at most the round %d", a.OpenFrom, key.Round)
	}
	if a.Start, err = decodeHash("start_sha256", m.GetStartSha256()); err != nil {
		return a, err
	}
	if len(m.GetTasks()) == 0 || len(m.GetTasks()) > MaxShards {
		return a, malformed("tasks", "%d, want 1 to %d", len(m.GetTasks()), MaxShards)
	}
	for _, t := range m.GetTasks() {
		w := localsgd.Weight(t.GetWeight())
		if t.GetShard() >= MaxShards || w == 0 || w > localsgd.One {
			return a, malformed("tasks", "shard %d with weight %d", t.GetShard(), w)
		}
		state, err := decodeOptionalHash("tasks.state_sha256", t.GetStateSha256())
		if err != nil {
			return a, err
		}
		a.Tasks = append(a.Tasks, Task{int(t.GetShard()), w, t.GetMeasured(), int(t.GetSteps()), state})
	}
	return a, nil
}

func decodeMeasure(m *fedreluv1.Measure) (ToWorker, error) {
	key, shards, err := decodeKeyed(m)
	if err != nil {
		return nil, err
	}
	out := Measure{Key: key, Shards: shards, Probe: int(m.GetProbe())}
	if out.Start, err = decodeHash("start_sha256", m.GetStartSha256()); err != nil {
		return out, err
	}
	if out.Model, err = decodeHash("model_sha256", m.GetModelSha256()); err != nil {
		return out, err
	}
	if n := len(m.GetSteps()); n != 0 && n != len(shards) {
		return out, malformed("steps", "%d for %d shards", n, len(shards))
	}
	for _, steps := range m.GetSteps() {
		out.Steps = append(out.Steps, int(steps))
	}
	if out.Probe < 1 {
		return out, malformed("probe", "%d examples, want at least 1", out.Probe)
	}
	return out, nil
}
