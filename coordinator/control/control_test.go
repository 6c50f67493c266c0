package control_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers what a test wants it to.
type service struct {
	fedreluv1.UnimplementedControlServiceServer
	err     error
	runs    []*fedreluv1.RunRecord
	entries []*fedreluv1.EntriesReply
	export  []*fedreluv1.ExportReply
	asked   any
}

func (s *service) Health(context.Context, *fedreluv1.HealthRequest) (*fedreluv1.HealthReply, error) {
	return &fedreluv1.HealthReply{Status: "running", Build: "b", Protocol: 1, Numerics: 2, Workers: 3, Run: "run0"}, s.err
}

func (s *service) Submit(_ context.Context, r *fedreluv1.SubmitRequest) (*fedreluv1.SubmitReply, error) {
	s.asked = string(r.GetSpec())
	return &fedreluv1.SubmitReply{Run: "run0"}, s.err
}

func (s *service) ListRuns(context.Context, *fedreluv1.ListRunsRequest) (*fedreluv1.ListRunsReply, error) {
	return &fedreluv1.ListRunsReply{Runs: s.runs}, s.err
}

func (s *service) Entries(r *fedreluv1.EntriesRequest, to grpc.ServerStreamingServer[fedreluv1.EntriesReply]) error {
	s.asked = [3]any{r.GetRun(), r.GetFrom(), r.GetFollow()}
	for _, e := range s.entries {
		if err := to.Send(e); err != nil {
			return err
		}
	}
	return s.err
}

func (s *service) Export(r *fedreluv1.ExportRequest, to grpc.ServerStreamingServer[fedreluv1.ExportReply]) error {
	s.asked = r.Round
	for _, e := range s.export {
		if err := to.Send(e); err != nil {
			return err
		}
	}
	return s.err
}

func (s *service) Resume(_ context.Context, r *fedreluv1.ResumeRequest) (*fedreluv1.ResumeReply, error) {
	return &fedreluv1.ResumeReply{Run: "id of " + r.GetRun()}, s.err
}

func (s *service) Cancel(context.Context, *fedreluv1.CancelRequest) (*fedreluv1.CancelReply, error) {
	return nil, s.err
}

// dial serves s in this process and returns a client of it.
func dial(t *testing.T, s *service) *control.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	fedreluv1.RegisterControlServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	client, err := control.Dial("test:1", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.DialContext(ctx)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if err := errors.Join(client.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return client
}

func testRun() record.Run {
	return record.Run{ID: "run0", Name: "n", Spec: []byte("s"), Status: record.Running, Keep: record.Keep{Last: 1}, Created: time.Unix(1, 0).UTC()}
}

func runProto(t *testing.T) *fedreluv1.RunRecord {
	t.Helper()
	r := testRun()
	m, err := r.Proto()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSmallCalls(t *testing.T) {
	s := &service{runs: []*fedreluv1.RunRecord{runProto(t)}}
	c := dial(t, s)
	h, err := c.Health(t.Context())
	if want := (control.Health{Status: "running", Build: "b", Protocol: 1, Numerics: 2, Workers: 3, Run: "run0"}); err != nil || h != want {
		t.Errorf("health: %+v, %v; want %+v", h, err, want)
	}
	id, err := c.Submit(t.Context(), []byte("the spec"))
	if err != nil || id != "run0" || s.asked != "the spec" {
		t.Errorf("submit: %q, %v, asked with %v", id, err, s.asked)
	}
	runs, err := c.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].ID != "run0" || runs[0].Status != record.Running {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	if id, err := c.Resume(t.Context(), "x"); err != nil || id != "id of x" {
		t.Errorf("resume: %q, %v", id, err)
	}
}

func TestErrorsHaveAKindAndSayWhatWasAsked(t *testing.T) {
	for code, kind := range map[codes.Code]error{
		codes.NotFound: control.ErrNotFound, codes.InvalidArgument: control.ErrInvalid, codes.FailedPrecondition: control.ErrState,
		codes.Unavailable: control.ErrUnavailable, codes.DeadlineExceeded: control.ErrUnavailable, codes.Canceled: context.Canceled,
	} {
		c := dial(t, &service{err: status.Error(code, "the reason")})
		err := c.Cancel(t.Context(), "x")
		var e *control.Error
		if !errors.Is(err, kind) || !errors.As(err, &e) || e.Message != "the reason" || !strings.HasPrefix(err.Error(), "cancelling the run: ") {
			t.Errorf("%v: got %v, want an error of the kind %v with its reason", code, err, kind)
		}
	}
	c := dial(t, &service{err: status.Error(codes.Internal, "the reason")})
	if err := c.Cancel(t.Context(), "x"); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("internal: got %v, want an error of no kind", err)
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := control.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Health(t.Context())
	if !errors.Is(err, control.ErrUnavailable) || !strings.Contains(err.Error(), "no coordinator answers at "+address+": dial tcp") {
		t.Errorf("got %v, want that nobody answers at %s", err, address)
	}
}

func TestDialRefusesWhatIsNoAddress(t *testing.T) {
	for _, address := range []string{"", "host", "host:", ":", "a:b:c"} {
		if _, err := control.Dial(address); !errors.Is(err, control.ErrAddress) {
			t.Errorf("%q: got %v, want ErrAddress", address, err)
		}
	}
}

func TestFollow(t *testing.T) {
	body := record.Round{Model: tensor.Hash{1}}
	run := testRun()
	entry, err := record.Link(run.ID, 0, run.Genesis(), &body, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{entries: []*fedreluv1.EntriesReply{
		{Reply: &fedreluv1.EntriesReply_Run{Run: runProto(t)}},
		{Reply: &fedreluv1.EntriesReply_Entry{Entry: entry.Proto()}},
		{Reply: &fedreluv1.EntriesReply_Progress{Progress: &fedreluv1.Progress{Round: 3, Phase: "train", Invited: 4, DeadlineMillis: 60_000}}},
		{Reply: &fedreluv1.EntriesReply_Progress{Progress: &fedreluv1.Progress{DeadlineMillis: 1 << 63}}},
	}}
	c := dial(t, s)
	var got []control.Event
	before := time.Now()
	err = c.Follow(t.Context(), "n", 7, true, func(e control.Event) error {
		got = append(got, e)
		return nil
	})
	if err != nil || len(got) != 4 {
		t.Fatalf("got %d events and %v, want 4", len(got), err)
	}
	if s.asked != [3]any{"n", uint64(7), true} {
		t.Errorf("asked for %v", s.asked)
	}
	if got[0].Run.ID != "run0" || got[1].Entry.Hash != entry.Hash {
		t.Errorf("got %+v and %+v", got[0], got[1])
	}
	p := got[2].Progress
	if p.Round != 3 || p.Phase != "train" || p.Invited != 4 || p.Until.Before(before.Add(time.Minute)) || p.Until.After(time.Now().Add(time.Minute)) {
		t.Errorf("progress %+v", p)
	}
	if left := time.Until(got[3].Progress.Until); left < 0 || left > 366*24*time.Hour {
		t.Errorf("an absurd deadline became one in %v", left)
	}
}

func TestFollowStopsWithTheErrorOfItsCaller(t *testing.T) {
	c := dial(t, &service{entries: []*fedreluv1.EntriesReply{{Reply: &fedreluv1.EntriesReply_Run{Run: runProto(t)}}}})
	enough := errors.New("enough")
	if err := c.Follow(t.Context(), "n", 0, true, func(control.Event) error { return enough }); err != enough {
		t.Errorf("got %v, want the caller's error", err)
	}
}

func TestFollowRefusesWhatIsNotValid(t *testing.T) {
	for name, reply := range map[string]*fedreluv1.EntriesReply{
		"nothing":         {},
		"an empty run":    {Reply: &fedreluv1.EntriesReply_Run{Run: &fedreluv1.RunRecord{}}},
		"an empty entry":  {Reply: &fedreluv1.EntriesReply_Entry{Entry: &fedreluv1.EntryRecord{}}},
		"an absent entry": {Reply: &fedreluv1.EntriesReply_Entry{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, &service{entries: []*fedreluv1.EntriesReply{reply}})
			err := c.Follow(t.Context(), "n", 0, false, func(control.Event) error { return nil })
			if !errors.Is(err, control.ErrInvalid) && !errors.Is(err, record.ErrInvalid) {
				t.Errorf("got %v, want that it is not valid", err)
			}
		})
	}
}

// exported is a good export of six values in two tensors.
func exported(t *testing.T) (replies []*fedreluv1.ExportReply, block []byte) {
	t.Helper()
	for i := range 24 {
		block = append(block, byte(i))
	}
	hash := sha256.Sum256(block)
	replies = []*fedreluv1.ExportReply{{Reply: &fedreluv1.ExportReply_Header{Header: &fedreluv1.ExportHeader{
		Run: "run0", Round: 5, ModelSha256: hash[:],
		Tensors: []*fedreluv1.TensorDesc{{Name: "0.weight", Shape: []uint64{2, 2}}, {Name: "0.bias", Shape: []uint64{2}}},
	}}}}
	chunker := &wire.Chunker{Total: 24, Size: 16, Send: func(c *fedreluv1.Chunk) error {
		c.Data = bytes.Clone(c.Data)
		replies = append(replies, &fedreluv1.ExportReply{Reply: &fedreluv1.ExportReply_Chunk{Chunk: c}})
		return nil
	}}
	if _, err := chunker.Write(block); err != nil {
		t.Fatal(err)
	}
	if err := chunker.Flush(); err != nil {
		t.Fatal(err)
	}
	return replies, block
}

func TestExport(t *testing.T) {
	replies, block := exported(t)
	c := dial(t, &service{export: replies})
	var out bytes.Buffer
	round := 5
	err := c.Export(t.Context(), "n", &round, func(h control.Header) (io.Writer, error) {
		if h.Run != "run0" || h.Round != 5 || len(h.Tensors) != 2 || h.Tensors[0].Name != "0.weight" || h.Tensors[0].Shape[1] != 2 {
			t.Errorf("header %+v", h)
		}
		return &out, nil
	})
	if err != nil || !bytes.Equal(out.Bytes(), block) {
		t.Errorf("got %d bytes and %v, want the block", out.Len(), err)
	}
}

func TestExportRefusesAnythingButTheAnnouncedModel(t *testing.T) {
	header := func(r []*fedreluv1.ExportReply) *fedreluv1.ExportHeader { return r[0].GetHeader() }
	for name, spoil := range map[string]func([]*fedreluv1.ExportReply) []*fedreluv1.ExportReply{
		"no header":           func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply { return r[1:] },
		"no bytes":            func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply { return r[:1] },
		"the end is missing":  func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply { return r[:2] },
		"a chunk twice":       func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply { return append(r[:2], r[1], r[2]) },
		"a header in between": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply { return append(r[:2], r[0], r[2]) },
		"another hash": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			header(r).ModelSha256[0]++
			return r
		},
		"a short hash": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			header(r).ModelSha256 = header(r).ModelSha256[:31]
			return r
		},
		"a damaged chunk": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			r[1].GetChunk().Data[3]++
			return r
		},
		"larger tensors": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			header(r).Tensors[0].Shape[0] = 3
			return r
		},
		"an absurd shape": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			header(r).Tensors[0].Shape = []uint64{1 << 63, 1 << 63}
			return r
		},
		"a name twice": func(r []*fedreluv1.ExportReply) []*fedreluv1.ExportReply {
			header(r).Tensors[1].Name = "0.weight"
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			replies, _ := exported(t)
			c := dial(t, &service{export: spoil(replies)})
			err := c.Export(t.Context(), "n", nil, func(control.Header) (io.Writer, error) { return io.Discard, nil })
			var e *control.Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "fetching the model: ") {
				t.Errorf("got %v, want an error about the model", err)
			}
		})
	}
}
