//go:build linux

package process

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// abuseSpec is a run with a shard outside of each round.
const abuseSpec = `
name: abuse
seed: 5
rounds: 3
shards: {count: 5}
model: {mlp: {hidden: [8]}}
local: {epochs: 1, batch: 4}
participation: {count: 4}
`

// Verdicts, shorter.
const (
	counted   = fedreluv1.PushReply_VERDICT_COUNTED
	duplicate = fedreluv1.PushReply_VERDICT_DUPLICATE
	late      = fedreluv1.PushReply_VERDICT_LATE
	refused   = fedreluv1.PushReply_VERDICT_REFUSED
)

// badPush is a push that must not count.
type badPush struct {
	name    string
	spoil   func(b *bench, p *parcel) // a good one of one shard
	verdict fedreluv1.PushReply_Verdict
	code    codes.Code // of the call, where there is no reply
	says    string     // what the reply or the error has to name
}

// ofHeader are pushes whose header is wrong.
var ofHeader = []badPush{
	{"another layout", func(_ *bench, p *parcel) { p.header.LayoutFingerprint[3]++ }, refused, 0, "layout_fingerprint"},
	{"another start", func(_ *bench, p *parcel) { p.header.StartSha256 = make([]byte, 32) }, refused, 0, "start_sha256"},
	{"a wrong weight", func(_ *bench, p *parcel) { p.header.Tasks[0].Weight++ }, refused, 0, "weight of shard"},
	{"a value too much", func(_ *bench, p *parcel) {
		p.header.PayloadBytes += 4
		p.payload = append(p.payload, 0, 0, 0, 0)
		p.seal()
	}, refused, 0, "payload_bytes"},
	{"a value too few", func(_ *bench, p *parcel) {
		p.header.PayloadBytes -= 4
		p.payload = p.payload[4:]
		p.seal()
	}, refused, 0, "payload_bytes"},
	{"a huge payload", func(_ *bench, p *parcel) { p.header.PayloadBytes = 1 << 61 }, refused, 0, "payload_bytes"},
	{"an impossible payload", func(_ *bench, p *parcel) { p.header.PayloadBytes = math.MaxUint64 }, 0, codes.InvalidArgument, "payload_bytes"},
	{"no payload", func(_ *bench, p *parcel) { p.header.PayloadBytes = 0 }, 0, codes.InvalidArgument, "payload_bytes"},
	{"a shard outside the round", func(b *bench, p *parcel) { p.header.Tasks[0].Shard = uint32(b.outside()) }, refused, 0, "does not take part"},
	{"a shard outside the run", func(_ *bench, p *parcel) { p.header.Tasks[0].Shard = 1000 }, refused, 0, "does not take part"},
	{"a shard beyond all runs", func(_ *bench, p *parcel) { p.header.Tasks[0].Shard = math.MaxUint32 }, 0, codes.InvalidArgument, "tasks"},
	{"no shard", func(_ *bench, p *parcel) { p.header.Tasks = nil }, 0, codes.InvalidArgument, "tasks"},
	{"a shard twice", func(_ *bench, p *parcel) {
		p.header.Kind = fedreluv1.PushHeader_KIND_SUM
		p.header.Tasks = append(p.header.Tasks, p.header.Tasks[0])
	}, 0, codes.InvalidArgument, "tasks"},
	{"no weight", func(_ *bench, p *parcel) { p.header.Tasks[0].Weight = 0 }, 0, codes.InvalidArgument, "weight"},
	{"a loss that is none", func(_ *bench, p *parcel) { p.header.Tasks[0].LossSum = math.NaN() }, 0, codes.InvalidArgument, "loss_sum"},
	{"a time that is none", func(_ *bench, p *parcel) { p.header.Tasks[0].TrainSeconds = -1 }, 0, codes.InvalidArgument, "train_seconds"},
	{"no kind", func(_ *bench, p *parcel) { p.header.Kind = 0 }, 0, codes.InvalidArgument, "kind"},
	{"a sum of one", func(_ *bench, p *parcel) { p.header.Kind = fedreluv1.PushHeader_KIND_SUM }, 0, codes.InvalidArgument, "tasks"},
	{"half a hash", func(_ *bench, p *parcel) { p.header.StartSha256 = make([]byte, 16) }, 0, codes.InvalidArgument, "start_sha256"},
	{"no run", func(_ *bench, p *parcel) { p.header.Run = "" }, 0, codes.InvalidArgument, "run"},
	{"another run", func(_ *bench, p *parcel) { p.header.Run = "another" }, late, 0, "run another is not going on"},
	{"a round that is to come", func(_ *bench, p *parcel) { p.header.Round++ }, late, 0, "round 2 is not open"},
	{"round 0", func(_ *bench, p *parcel) { p.header.Round = 0 }, late, 0, "round 0 is not open"},
	{"no session", func(_ *bench, p *parcel) { p.header.Session = 0 }, refused, 0, "session 0 is over"},
	{"another quantum", func(b *bench, p *parcel) {
		*p = b.parcel(b.participants()[2:]...)
		p.header.Quanta[0]++
	}, refused, 0, "quanta"},
	{"no header", func(_ *bench, p *parcel) { p.header = nil }, 0, codes.InvalidArgument, "run"},
}

// ofPayload are pushes whose bytes are wrong.
var ofPayload = []badPush{
	{"another checksum", func(_ *bench, p *parcel) { p.header.PayloadSha256[0]++ }, refused, 0, "payload_sha256"},
	{"a bit on the way", func(_ *bench, p *parcel) {
		p.chunk, p.spoil = 100, ofChunk(3, func(c *fedreluv1.Chunk) { c.Data[9] ^= 1 })
	},
		refused, 0, "crc32c"},
	{"another CRC", func(_ *bench, p *parcel) { p.chunk, p.spoil = 100, ofChunk(1, func(c *fedreluv1.Chunk) { c.Crc32C++ }) },
		refused, 0, "crc32c"},
	{"a gap", func(_ *bench, p *parcel) {
		p.chunk, p.spoil = 100, ofChunk(2, func(c *fedreluv1.Chunk) { c.Offset += 100 })
	},
		refused, 0, "chunk.offset"},
	{"another total", func(_ *bench, p *parcel) { p.spoil = ofChunk(0, func(c *fedreluv1.Chunk) { c.Total++ }) },
		refused, 0, "chunk.total"},
	{"an empty chunk", func(_ *bench, p *parcel) {
		p.chunk, p.spoil = 100, ofChunk(1, func(c *fedreluv1.Chunk) { c.Data = nil })
	},
		refused, 0, "chunk.data"},
	{"a message of 3 MiB", func(_ *bench, p *parcel) {
		p.spoil = ofChunk(0, func(c *fedreluv1.Chunk) { c.Data = make([]byte, 3<<20) })
	},
		0, codes.ResourceExhausted, "larger than max"},
	{"no end", func(_ *bench, p *parcel) { p.chunk, p.only = 100, 4 }, refused, 0, "after 400 of"},
	{"not a number", func(_ *bench, p *parcel) { p.value(5, float32(math.NaN())) }, refused, 0, "NaN"},
	{"infinity", func(_ *bench, p *parcel) { p.value(5, float32(math.Inf(-1))) }, refused, 0, "-Inf"},
	{"a value beyond the range", func(_ *bench, p *parcel) { p.value(5, 1e9) }, refused, 0, "1e+09"},
	{"a sum beyond the range", func(b *bench, p *parcel) {
		*p = b.parcel(b.participants()[2:]...)
		binary.LittleEndian.PutUint64(p.payload, math.MaxInt64)
		p.seal()
	}, refused, 0, "sum"},
}

// ofChunk spoils one chunk.
func ofChunk(number int, spoil func(*fedreluv1.Chunk)) func(int, *fedreluv1.Chunk) {
	return func(n int, c *fedreluv1.Chunk) {
		if n == number {
			c.Data = append([]byte(nil), c.Data...) // the payload stays as it is
			spoil(c)
		}
	}
}

// value puts a value into an update.
func (p *parcel) value(at int, v float32) {
	binary.LittleEndian.PutUint32(p.payload[4*at:], math.Float32bits(v))
	p.seal()
}

// TestBadPushes: whatever is wrong with a push, the answer names it, nothing of it counts, and the run comes to the bits
// that it would have come to.
func TestBadPushes(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	want := undisturbed(t, writeSpec(t, data, "abuse.yaml", abuseSpec))
	c := newCluster(t, t.TempDir(), data, 0)
	run := c.submit(t, "abuse.yaml")
	a := join(t, c.address, hello("alien"))
	a.takePart(data)
	first := a.assigned()
	b := newBench(a, first)
	free := b.participants()[3] // given to nobody: two tasks at a time
	for _, bad := range append(ofHeader, ofPayload...) {
		t.Run(bad.name, func(t *testing.T) {
			p := b.parcel(free)
			bad.spoil(b, &p)
			reply, err := a.send(p)
			check(t, reply, err, bad)
		})
	}

	t.Run("a task of its own", func(t *testing.T) {
		mine := int(first.GetTasks()[0].GetShard())
		p := b.parcel(mine)
		p.value(0, float32(math.NaN()))
		if reply, err := a.send(p); err != nil || reply.GetVerdict() != refused {
			t.Fatalf("%v, %v", reply, err)
		}
		if other := a.assigned(); int(other.GetTasks()[0].GetShard()) == mine {
			t.Error("the refused task is given out again at once, want another one: it goes to other workers if there are any")
		}
	})
	t.Run("good ones, counted once", func(t *testing.T) { goodPushes(t, a, b) })

	a.leave()
	reply, err := a.send(b.parcel(free))
	check(t, reply, err, badPush{verdict: refused, says: "is over"})
	c.finish(t, run, want)
	b.a = join(t, c.address, hello("alien"))
	reply, err = b.a.send(b.parcel(free))
	check(t, reply, err, badPush{verdict: late, says: "not going on"})
}

// finish lets a worker of ours do what is left of a run, which must come to the hash.
func (c *cluster) finish(t *testing.T, run, want string) {
	t.Helper()
	c.workers = append(c.workers, nil)
	c.startWorker(t, len(c.workers)-1)
	if status := c.awaitEnd(t, run); status != "completed" {
		t.Fatalf("the run is %s: %s", status, c.show(t, run).Reason)
	}
	if got := c.show(t, run).model(); got != want {
		t.Errorf("the run came to %s, want %s", got, want)
	}
}

func check(t *testing.T, reply *fedreluv1.PushReply, err error, want badPush) {
	t.Helper()
	switch {
	case want.verdict == 0 && (status.Code(err) != want.code || !strings.Contains(err.Error(), want.says)):
		t.Errorf("reply %v, error %v; want %v with %q", reply, err, want.code, want.says)
	case want.verdict != 0 && (err != nil || reply.GetVerdict() != want.verdict || !strings.Contains(reply.GetReason(), want.says)):
		t.Errorf("reply %v, error %v; want %v with %q", reply, err, want.verdict, want.says)
	}
}

// goodPushes answers round 1 as our own worker never would: in tiny chunks, in sums of its own choice, and everything
// twice. That nothing bad counted shows in that everything good does. The first answer to round 2 comes with it.
func goodPushes(t *testing.T, a *alien, b *bench) {
	k := b.participants()
	tiny := b.parcel(k[3])
	tiny.chunk = 7
	for _, step := range []struct {
		name    string
		p       parcel
		verdict fedreluv1.PushReply_Verdict
		says    string
	}{
		{"an update", tiny, counted, ""},
		{"the same again", tiny, duplicate, "already counted"},
		{"a sum of which a shard counts", b.parcel(k[1:]...), late, "partly counted"},
		{"a sum", b.parcel(k[0], k[2]), counted, ""},
		{"one of its shards", b.parcel(k[2]), duplicate, "already counted"},
		{"the last", b.parcel(k[1]), counted, ""},
	} {
		reply, err := a.send(step.p)
		if err != nil || reply.GetVerdict() != step.verdict || !strings.Contains(reply.GetReason(), step.says) {
			t.Errorf("%s: %v, %v; want %v with %q", step.name, reply, err, step.verdict, step.says)
		}
	}
	a.hear(func(m *fedreluv1.CoordinatorMessage) bool { return m.GetAssign().GetRound() == 2 })
	reply, err := a.send(tiny)
	check(t, reply, err, badPush{verdict: late, says: "round 1 is not open"})
}

// TestBrokenPushes: a connection that breaks in the middle of a push is nobody's fault, however often it does.
func TestBrokenPushes(t *testing.T) {
	const alone = "participation.count=1"
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	want := undisturbed(t, writeSpec(t, data, "abuse.yaml", abuseSpec), alone)
	c := newCluster(t, t.TempDir(), data, 0)
	run := c.submit(t, "abuse.yaml", alone)
	a := join(t, c.address, hello("alien"))
	a.takePart(data)
	b := newBench(a, a.assigned())
	p := b.parcel(b.participants()[0])
	for range 8 {
		seen := c.coordinator.log.count()
		ctx, cancel := context.WithCancel(context.Background())
		out, err := a.stub.Push(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Send(&fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Header{Header: p.header}}); err != nil {
			t.Fatal(err)
		}
		half := wire.Chunker{Total: int64(len(p.payload)), Send: func(c *fedreluv1.Chunk) error {
			return out.Send(&fedreluv1.PushMessage{Message: &fedreluv1.PushMessage_Chunk{Chunk: c}})
		}}
		if _, err := half.Write(p.payload[:len(p.payload)/2+1]); err != nil || half.Flush() != nil {
			t.Fatal(err)
		}
		c.coordinator.await(t, seen, "msg", "push", "at", "half")
		cancel()
	}
	reply, err := a.send(p)
	check(t, reply, err, badPush{verdict: counted})
	a.leave()
	c.finish(t, run, want)
}
