package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

var (
	key  = Key{Run: "r1", Round: 7}
	hash = tensor.Hash{1, 2, 3}
)

// samples has one message of every type, every field set.
func fromWorkerSamples() []FromWorker {
	return []FromWorker{
		Hello{Protocol: 1, Numerics: 2, Build: "b", Name: "w", Instance: Instance{9}, Token: []byte("t"), Shards: []Range{{0, 3}, {5, 5}}, Slots: 2},
		Heartbeat{},
		RunReady{Run: "r1", Data: shard.Fingerprint{TrainX: hash, TrainY: hash}, Holding: []Holding{{Round: 7, Start: hash, Shards: []int{1, 4}}}, States: []ShardState{{3, hash}}},
		RunReady{Run: "r1", Own: []OwnShard{
			{Shard: 1, Part: shard.Part{Examples: 5, Tests: 2, Data: shard.Fingerprint{TrainX: hash, TestY: hash}}}, {Shard: 7, Part: shard.Part{Examples: 1}},
		}},
		Scored{Key: Key{"r1", 2}, Shard: 3, Sums: localsgd.Sums{Loss: 1.5, Correct: 2, Examples: 4}},
		ScoreFailed{Key: Key{"r1", 2}, Shard: 3, Reason: "no"},
		RunRefused{"r1", "why"},
		Trained{key, []int{1, 2}},
		TaskFailed{key, 3, "why"},
		Diverged{key, 3, 12, "the loss is NaN"},
		Dropped{key, []int{0}, "why"},
		DriftSample{Key: key, Probe: 32, Sample: analysis.Sample{Shard: 2, Drift: 1, NormEnd: 2, NormModel: 3, Cosine: -0.5, Divergence: 4, NormModelParams: 5}},
		DriftSample{Key: key, Probe: 4, Sample: analysis.Sample{Shard: 2}, Flips: []activity.Flip{{Name: "1", Fraction: 0.5}}, Modules: []analysis.ModuleSample{
			{Name: "0", Sample: analysis.Sample{Shard: 2, Drift: 1, NormEnd: 2, NormModel: 3, Cosine: -0.5, Divergence: 4, NormModelParams: 5}}}},
		Studied{Key: key, Readings: []study.Reading{{Quantity: "q", Layer: "0", Shard: 2, Step: 3, Model: study.Mean, Value: 1.5}}, Missing: []study.Missing{{Quantity: "p", Reason: "why"}}},
		Studied{Key: key},
		StudyFailed{key, "why"},
		DriftFailed{key, 2, "why"},
	}
}

func toWorkerSamples() []ToWorker {
	return []ToWorker{
		Welcome{Session: 5, Heartbeat: time.Second, Lost: 3 * time.Second, Build: "b"},
		StartRun{Run: "r1", Spec: []byte{1}, Layout: hash, Data: shard.Fingerprint{TestX: hash}},
		Assign{Key: key, Start: hash, Sum: true, Tasks: []Task{{Shard: 4, Weight: localsgd.One / 3, Measured: true, Steps: 7, State: hash}}},
		Flush{key},
		Abandon{key, []int{3}},
		Measure{Key: key, Shards: []int{3}, Start: hash, Model: tensor.Hash{8}, Probe: 32},
		sampleStudy(),
		CloseRun{"r1", false}, CloseRun{"r2", true},
	}
}

func sampleStudy() Study {
	return Study{
		Key: key, Shards: []int{1, 5}, Start: hash, Model: tensor.Hash{8}, Studies: []string{"updates", "noise"},
		Tasks: []StudiedTask{{Shard: 1, Weight: 4, Steps: 7}, {Shard: 2, Weight: 5}, {Shard: 5, Weight: localsgd.One}},
	}
}

// Each case breaks one field of a good order; the error must name that field.
func TestMalformedStudy(t *testing.T) {
	for name, change := range map[string]func(*fedreluv1.Study){
		"round: ":         func(s *fedreluv1.Study) { s.Round = 1 << 31 },
		"shards: 0":       func(s *fedreluv1.Study) { s.Shards = nil },
		"shards: shard 3": func(s *fedreluv1.Study) { s.Shards[1] = 3 },
		"tasks: shard 1":  func(s *fedreluv1.Study) { s.Tasks[1].Shard = 1 },
		"tasks: 0":        func(s *fedreluv1.Study) { s.Tasks = nil },
		"tasks.weight":    func(s *fedreluv1.Study) { s.Tasks[0].Weight = 0 },
		"start_sha256":    func(s *fedreluv1.Study) { s.StartSha256 = nil },
		"model_sha256":    func(s *fedreluv1.Study) { s.ModelSha256 = nil },
		"studies: 0":      func(s *fedreluv1.Study) { s.Studies = nil },
		"studies: a":      func(s *fedreluv1.Study) { s.Studies[0] = "" },
	} {
		m := EncodeToWorker(sampleStudy())
		change(m.GetStudy())
		if _, err := DecodeToWorker(m); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	studied := EncodeFromWorker(Studied{Key: key, Readings: []study.Reading{{Quantity: "q", Value: math.Inf(1)}}})
	if _, err := DecodeFromWorker(studied); !errors.Is(err, ErrMessage) {
		t.Errorf("an infinite reading: %v", err)
	}
	flips := EncodeFromWorker(DriftSample{Key: key, Flips: []activity.Flip{{Name: "1", Fraction: 1.5}}})
	if _, err := DecodeFromWorker(flips); !errors.Is(err, ErrMessage) {
		t.Errorf("more flips than gates: %v", err)
	}
}

// overWire encodes, passes the bytes on, and decodes.
func overWire[M proto.Message](t testing.TB, m, empty M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, empty); err != nil {
		t.Fatal(err)
	}
	return empty
}

func TestMessagesComeThrough(t *testing.T) {
	for _, m := range fromWorkerSamples() {
		got, err := DecodeFromWorker(overWire(t, EncodeFromWorker(m), &fedreluv1.WorkerMessage{}))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%T: got %+v, %v\nwant %+v", m, got, err, m)
		}
	}
	for _, m := range toWorkerSamples() {
		got, err := DecodeToWorker(overWire(t, EncodeToWorker(m), &fedreluv1.CoordinatorMessage{}))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%T: got %+v, %v\nwant %+v", m, got, err, m)
		}
	}
}

func samplePush() *Push {
	return &Push{
		Key: key, Session: 3, Start: hash, Layout: tensor.Hash{4}, Sum: true, Quanta: []int32{-52, -80}, Bytes: 160, SHA256: tensor.Hash{5},
		Tasks: []PushedTask{
			{Share: localsgd.Share{Shard: 1, Weight: 10}, Facts: localsgd.Facts{Steps: 2, Examples: 20, LossSum: 1.5}, Train: time.Second},
			{Share: localsgd.Share{Shard: 4, Weight: 30}, Facts: localsgd.Facts{Steps: 3, Examples: 30, LossSum: 2.5}},
		},
	}
}

func TestPushComesThrough(t *testing.T) {
	want := samplePush()
	got, err := DecodePush(overWire(t, EncodePush(want), &fedreluv1.PushHeader{}))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for v := Counted; v <= Refused; v++ {
		if got, err := DecodeReply(overWire(t, EncodeReply(PushReply{v, "why"}), &fedreluv1.PushReply{})); err != nil || got != (PushReply{v, "why"}) {
			t.Errorf("reply %v: %+v, %v", v, got, err)
		}
	}
	f := Fetch{Session: 3, Run: "r1", Model: hash}
	if got, err := DecodeFetch(overWire(t, EncodeFetch(f), &fedreluv1.FetchRequest{})); err != nil || got != f {
		t.Errorf("fetch: %+v, %v", got, err)
	}
}

// Each case breaks one field of a good message; the error must name that field.
func TestMalformedMessagesAreRefusedByField(t *testing.T) {
	task := func(change func(*fedreluv1.PushedTask)) func(*fedreluv1.PushHeader) {
		return func(h *fedreluv1.PushHeader) { change(h.Tasks[1]) }
	}
	nan := 0.0
	nan /= nan
	for name, change := range map[string]func(*fedreluv1.PushHeader){
		"run: ":               func(h *fedreluv1.PushHeader) { h.Run = strings.Repeat("x", 1000) },
		"round: ":             func(h *fedreluv1.PushHeader) { h.Round = 1 << 31 },
		"start_sha256: ":      func(h *fedreluv1.PushHeader) { h.StartSha256 = h.StartSha256[1:] },
		"layout_fingerprint:": func(h *fedreluv1.PushHeader) { h.LayoutFingerprint = nil },
		"payload_sha256: ":    func(h *fedreluv1.PushHeader) { h.PayloadSha256 = nil },
		"payload_bytes: 0":    func(h *fedreluv1.PushHeader) { h.PayloadBytes = 0 },
		"payload_bytes: 1844": func(h *fedreluv1.PushHeader) { h.PayloadBytes = 1<<64 - 1 },
		"kind: ":              func(h *fedreluv1.PushHeader) { h.Kind = 99 },
		"tasks: 0 tasks":      func(h *fedreluv1.PushHeader) { h.Tasks = nil },
		"tasks: 1 tasks":      func(h *fedreluv1.PushHeader) { h.Tasks = h.Tasks[:1] },
		"tasks: shard 1 at":   task(func(p *fedreluv1.PushedTask) { p.Shard = 1 }),
		"tasks: shard 429":    task(func(p *fedreluv1.PushedTask) { p.Shard = 1<<32 - 1 }),
		"tasks: weight 0":     task(func(p *fedreluv1.PushedTask) { p.Weight = 0 }),
		"tasks: weight 22":    task(func(p *fedreluv1.PushedTask) { p.Weight = uint64(localsgd.One) * 2 }),
		"tasks: loss_sum":     task(func(p *fedreluv1.PushedTask) { p.LossSum = nan }),
		"tasks: train_sec":    task(func(p *fedreluv1.PushedTask) { p.TrainSeconds = -1 }),
	} {
		h := EncodePush(samplePush())
		change(h)
		if _, err := DecodePush(h); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if _, err := DecodePush(nil); !errors.Is(err, ErrMessage) {
		t.Errorf("no header: %v", err)
	}
	if _, err := DecodeFromWorker(nil); !errors.Is(err, ErrMessage) {
		t.Errorf("no message: %v", err)
	}
}

func TestMalformedHello(t *testing.T) {
	for name, change := range map[string]func(*fedreluv1.Hello){
		"name":     func(h *fedreluv1.Hello) { h.Name = "" },
		"instance": func(h *fedreluv1.Hello) { h.Instance = h.Instance[:15] },
		"slots":    func(h *fedreluv1.Hello) { h.Slots = 0 },
		"token":    func(h *fedreluv1.Hello) { h.Token = make([]byte, 1000) },
		"shards":   func(h *fedreluv1.Hello) { h.Shards[0].First = 9 },
	} {
		m := EncodeFromWorker(fromWorkerSamples()[0])
		change(m.GetHello())
		if _, err := DecodeFromWorker(m); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPayloadsComeThroughInChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 1, 500).Draw(rt, "payload")
		var chunks []*fedreluv1.Chunk
		c := Chunker{Total: int64(len(payload)), Size: rapid.IntRange(1, 64).Draw(rt, "chunk"), Send: func(c *fedreluv1.Chunk) error {
			chunks = append(chunks, proto.CloneOf(c))
			return nil
		}}
		for rest := payload; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "write")
			if _, err := c.Write(rest[:n]); err != nil {
				rt.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := c.Flush(); err != nil {
			rt.Fatal(err)
		}
		var got bytes.Buffer
		a := Assembler{Want: int64(len(payload))}
		if err := a.Copy(&got, next(chunks)); err != nil || !bytes.Equal(got.Bytes(), payload) {
			rt.Fatalf("%v: %d bytes of %d", err, got.Len(), len(payload))
		}
	})
}

func next(chunks []*fedreluv1.Chunk) func() (*fedreluv1.Chunk, error) {
	return func() (*fedreluv1.Chunk, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, nil
	}
}

func TestDamagedChunksAreRefused(t *testing.T) {
	whole := func() []*fedreluv1.Chunk {
		var chunks []*fedreluv1.Chunk
		c := Chunker{Total: 10, Size: 4, Send: func(c *fedreluv1.Chunk) error {
			chunks = append(chunks, proto.CloneOf(c))
			return nil
		}}
		_, _ = c.Write([]byte("0123456789"))
		_ = c.Flush()
		return chunks
	}
	for name, change := range map[string]func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk{
		"crc32c":         func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk { c[1].Data[0] ^= 1; return c },
		"offset":         func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk { c[1], c[2] = c[2], c[1]; return c },
		"total":          func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk { c[0].Total = 12; return c },
		"0 bytes":        func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk { c[1].Data = nil; return c },
		"unexpected EOF": func(c []*fedreluv1.Chunk) []*fedreluv1.Chunk { return c[:2] },
		"chunk.total":    func([]*fedreluv1.Chunk) []*fedreluv1.Chunk { return []*fedreluv1.Chunk{nil} },
	} {
		a := Assembler{Want: 10}
		if err := a.Copy(io.Discard, next(change(whole()))); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// More than was announced.
	a := Assembler{}
	c := whole()
	c[0].Total = 6
	if err := a.Copy(io.Discard, next(c)); !errors.Is(err, ErrMessage) {
		t.Errorf("more than the total: %v", err)
	}
}

// Whatever bytes come, decoding ends in a message or an error, and a message that decodes encodes to itself.
func FuzzDecode(f *testing.F) {
	for _, m := range fromWorkerSamples() {
		b, _ := proto.Marshal(EncodeFromWorker(m))
		f.Add(b)
	}
	for _, m := range toWorkerSamples() {
		b, _ := proto.Marshal(EncodeToWorker(m))
		f.Add(b)
	}
	b, _ := proto.Marshal(EncodePush(samplePush()))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var w fedreluv1.WorkerMessage
		if proto.Unmarshal(b, &w) == nil {
			if m, err := DecodeFromWorker(&w); err == nil {
				if again, err := DecodeFromWorker(EncodeFromWorker(m)); err != nil || !reflect.DeepEqual(again, m) {
					t.Errorf("%+v came back as %+v, %v", m, again, err)
				}
			}
		}
		var c fedreluv1.CoordinatorMessage
		if proto.Unmarshal(b, &c) == nil {
			_, _ = DecodeToWorker(&c)
		}
		var p fedreluv1.PushHeader
		if proto.Unmarshal(b, &p) == nil {
			_, _ = DecodePush(&p)
		}
	})
}
