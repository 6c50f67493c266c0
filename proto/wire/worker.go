package wire

import fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"

// EncodeFromWorker returns the generated form of a worker's message.
func EncodeFromWorker(m FromWorker) *fedreluv1.WorkerMessage {
	switch m := m.(type) {
	case Hello:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Hello{Hello: encodeHello(m)}}
	case Heartbeat:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Heartbeat{Heartbeat: &fedreluv1.Heartbeat{}}}
	case RunReady:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_RunReady{RunReady: encodeRunReady(m)}}
	case RunRefused:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_RunRefused{
			RunRefused: &fedreluv1.RunRefused{Run: m.Run, Reason: m.Reason}}}
	case DriftSample:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_DriftSample{DriftSample: encodeSample(m)}}
	case Studied:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Studied{Studied: encodeStudied(m)}}
	case StudyFailed:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_StudyFailed{StudyFailed: &fedreluv1.StudyFailed{
			Run: m.Run, Round: uint32(m.Round), Reason: m.Reason}}}
	case DriftFailed:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_DriftFailed{DriftFailed: &fedreluv1.DriftFailed{
			Run: m.Run, Round: uint32(m.Round), Shard: uint32(m.Shard), Reason: m.Reason}}}
	case Scored:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Scored{Scored: &fedreluv1.Scored{
			Run: m.Run, Round: uint32(m.Round), Shard: uint32(m.Shard),
			LossSum: m.Sums.Loss, Correct: uint64(m.Sums.Correct), Examples: uint64(m.Sums.Examples)}}}
	case ScoreFailed:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_ScoreFailed{ScoreFailed: &fedreluv1.ScoreFailed{
			Run: m.Run, Round: uint32(m.Round), Shard: uint32(m.Shard), Reason: m.Reason}}}
	}
	return encodeTaskMessage(m)
}

func encodeTaskMessage(m FromWorker) *fedreluv1.WorkerMessage {
	switch m := m.(type) {
	case Trained:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Trained{Trained: &fedreluv1.Trained{
			Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards)}}}
	case TaskFailed:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_TaskFailed{TaskFailed: &fedreluv1.TaskFailed{
			Run: m.Run, Round: uint32(m.Round), Shard: uint32(m.Shard), Reason: m.Reason}}}
	case Diverged:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Diverged{Diverged: &fedreluv1.Diverged{
			Run: m.Run, Round: uint32(m.Round), Shard: uint32(m.Shard), Step: uint32(m.Step), Detail: m.Detail}}}
	case Dropped:
		return &fedreluv1.WorkerMessage{Message: &fedreluv1.WorkerMessage_Dropped{Dropped: &fedreluv1.Dropped{
			Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards), Reason: m.Reason}}}
	}
	panic("wire: a message of no known type")
}

// DecodeFromWorker checks a worker's message.
func DecodeFromWorker(w *fedreluv1.WorkerMessage) (FromWorker, error) {
	switch m := w.GetMessage().(type) {
	case *fedreluv1.WorkerMessage_Hello:
		return decodeHello(m.Hello)
	case *fedreluv1.WorkerMessage_Heartbeat:
		return Heartbeat{}, nil
	case *fedreluv1.WorkerMessage_RunReady:
		return decodeRunReady(m.RunReady)
	case *fedreluv1.WorkerMessage_RunRefused:
		run, err := decodeRun(m.RunRefused.GetRun())
		return RunRefused{run, decodeReason(m.RunRefused.GetReason())}, err
	case *fedreluv1.WorkerMessage_Trained:
		key, shards, err := decodeKeyed(m.Trained)
		return Trained{key, shards}, err
	case *fedreluv1.WorkerMessage_Dropped:
		key, shards, err := decodeKeyed(m.Dropped)
		return Dropped{key, shards, decodeReason(m.Dropped.GetReason())}, err
	case *fedreluv1.WorkerMessage_TaskFailed:
		key, shard, err := decodeTask(m.TaskFailed)
		return TaskFailed{key, shard, decodeReason(m.TaskFailed.GetReason())}, err
	case *fedreluv1.WorkerMessage_DriftFailed:
		key, shard, err := decodeTask(m.DriftFailed)
		return DriftFailed{key, shard, decodeReason(m.DriftFailed.GetReason())}, err
	case *fedreluv1.WorkerMessage_Studied:
		return decodeStudied(m.Studied)
	case *fedreluv1.WorkerMessage_StudyFailed:
		key, err := decodeKey(m.StudyFailed.GetRun(), m.StudyFailed.GetRound())
		return StudyFailed{key, decodeReason(m.StudyFailed.GetReason())}, err
	case *fedreluv1.WorkerMessage_Diverged:
		key, shard, err := decodeTask(m.Diverged)
		return Diverged{key, shard, int(m.Diverged.GetStep()), decodeReason(m.Diverged.GetDetail())}, err
	case *fedreluv1.WorkerMessage_DriftSample:
		return decodeSample(m.DriftSample)
	case *fedreluv1.WorkerMessage_Scored:
		return decodeScored(m.Scored)
	case *fedreluv1.WorkerMessage_ScoreFailed:
		key, shard, err := decodeTask(m.ScoreFailed)
		return ScoreFailed{key, shard, decodeReason(m.ScoreFailed.GetReason())}, err
	}
	return nil, malformed("message", "of no kind that this version knows")
}

func decodeKeyed(m interface {
	GetRun() string
	GetRound() uint32
	GetShards() []uint32
}) (Key, []int, error) {
	key, err := decodeKey(m.GetRun(), m.GetRound())
	if err != nil {
		return key, nil, err
	}
	shards, err := decodeShards("shards", m.GetShards())
	return key, shards, err
}

func decodeTask(m interface {
	GetRun() string
	GetRound() uint32
	GetShard() uint32
}) (Key, int, error) {
	key, err := decodeKey(m.GetRun(), m.GetRound())
	if err == nil && m.GetShard() >= MaxShards {
		err = malformed("shard", "%d, want less than %d", m.GetShard(), MaxShards)
	}
	return key, int(m.GetShard()), err
}

func encodeHello(m Hello) *fedreluv1.Hello {
	h := &fedreluv1.Hello{
		Protocol: m.Protocol, Numerics: m.Numerics, Build: m.Build, Name: m.Name,
		Instance: m.Instance[:], Token: m.Token, Slots: uint32(m.Slots), Kept: m.Kept,
	}
	for _, r := range m.Shards {
		h.Shards = append(h.Shards, &fedreluv1.ShardRange{First: uint32(r.First), Last: uint32(r.Last)})
	}
	return h
}

func decodeHello(m *fedreluv1.Hello) (Hello, error) {
	h := Hello{Protocol: m.GetProtocol(), Numerics: m.GetNumerics(), Build: m.GetBuild(), Name: m.GetName(), Token: m.GetToken()}
	switch {
	case len(h.Name) == 0 || len(h.Name) > maxName:
		return h, malformed("name", "%d bytes, want 1 to %d", len(h.Name), maxName)
	case len(m.GetInstance()) != len(h.Instance):
		return h, malformed("instance", "%d bytes, want %d", len(m.GetInstance()), len(h.Instance))
	case m.GetSlots() < 1 || m.GetSlots() > maxSlots:
		return h, malformed("slots", "%d, want 1 to %d", m.GetSlots(), maxSlots)
	case len(h.Build) > maxName || len(h.Token) > maxName:
		return h, malformed("build or token", "longer than %d bytes", maxName)
	}
	h.Slots = int(m.GetSlots())
	copy(h.Instance[:], m.GetInstance())
	for i, r := range m.GetShards() {
		if r.GetLast() < r.GetFirst() || r.GetLast() >= MaxShards {
			return h, malformed("shards", "range %d is %d-%d, want ascending shards below %d", i, r.GetFirst(), r.GetLast(), MaxShards)
		}
		h.Shards = append(h.Shards, Range{int(r.GetFirst()), int(r.GetLast())})
	}
	return h, h.takeKept(m.GetKept())
}

// takeKept takes the runs of which the worker keeps states.
func (h *Hello) takeKept(runs []string) error {
	if len(runs) > MaxKept {
		return malformed("kept", "%d runs, want at most %d", len(runs), MaxKept)
	}
	for _, run := range runs {
		if _, err := decodeRun(run); err != nil {
			return err
		}
		h.Kept = append(h.Kept, run)
	}
	return nil
}

func encodeRunReady(m RunReady) *fedreluv1.RunReady {
	r := &fedreluv1.RunReady{Run: m.Run, Data: encodeFingerprint(m.Data), Own: encodeOwn(m.Own)}
	for _, h := range m.Holding {
		r.Holding = append(r.Holding, &fedreluv1.Holding{Round: uint32(h.Round), StartSha256: h.Start[:], Shards: encodeShards(h.Shards)})
	}
	for _, s := range m.States {
		r.States = append(r.States, &fedreluv1.ShardState{Shard: uint32(s.Shard), Sha256: s.Hash[:]})
	}
	return r
}

func decodeRunReady(m *fedreluv1.RunReady) (RunReady, error) {
	run, err := decodeRun(m.GetRun())
	if err != nil {
		return RunReady{}, err
	}
	r := RunReady{Run: run}
	if r.Data, err = decodeFingerprint(m.GetData()); err != nil {
		return r, err
	}
	if len(m.GetHolding()) > maxHolding {
		return r, malformed("holding", "%d results, want at most %d", len(m.GetHolding()), maxHolding)
	}
	for _, h := range m.GetHolding() {
		key, shards, err := decodeKeyed(struct {
			*fedreluv1.Holding
			runOf
		}{h, runOf(run)})
		if err != nil {
			return r, err
		}
		start, err := decodeHash("holding.start_sha256", h.GetStartSha256())
		if err != nil {
			return r, err
		}
		r.Holding = append(r.Holding, Holding{key.Round, start, shards})
	}
	if r.Own, err = decodeOwn(m.GetOwn()); err != nil {
		return r, err
	}
	return r, r.decodeStates(m.GetStates())
}

func (r *RunReady) decodeStates(states []*fedreluv1.ShardState) error {
	if len(states) > maxStates {
		return malformed("states", "%d states, want at most %d", len(states), maxStates)
	}
	for _, s := range states {
		if s.GetShard() >= MaxShards {
			return malformed("states.shard", "%d, want less than %d", s.GetShard(), MaxShards)
		}
		hash, err := decodeHash("states.sha256", s.GetSha256())
		if err != nil {
			return err
		}
		r.States = append(r.States, ShardState{int(s.GetShard()), hash})
	}
	return nil
}

type runOf string

func (r runOf) GetRun() string { return string(r) }
