package rpc

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

type controlService struct {
	fedreluv1.UnimplementedControlServiceServer
	c *coordinator.Coordinator
}

// Health answers, which is what it is about.
func (s *controlService) Health(context.Context, *fedreluv1.HealthRequest) (*fedreluv1.HealthReply, error) {
	st := s.c.Status()
	reply := &fedreluv1.HealthReply{
		Status: "waiting for runs", Build: s.c.Build(), Protocol: wire.Protocol, Numerics: localsgd.Numerics,
		Workers: uint32(len(st.Workers)),
	}
	if st.Progress != nil {
		reply.Status, reply.Run = "running", st.Progress.Run
	}
	return reply, nil
}

// Submit queues a run.
func (s *controlService) Submit(_ context.Context, req *fedreluv1.SubmitRequest) (*fedreluv1.SubmitReply, error) {
	sp, err := spec.FromProto(req.GetSpec())
	if err != nil {
		return nil, statusOf(err)
	}
	id, err := s.c.Submit(sp)
	return &fedreluv1.SubmitReply{Run: id}, statusOf(err)
}

// SubmitFrom queues a run that starts from the model that follows.
func (s *controlService) SubmitFrom(stream grpc.ClientStreamingServer[fedreluv1.SubmitMessage, fedreluv1.SubmitReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	sp, err := spec.FromProto(first.GetHeader().GetSpec())
	if err != nil {
		return statusOf(err)
	}
	start, err := wire.DecodeStart(first.GetHeader())
	if err != nil {
		return statusOf(err)
	}
	id, err := s.c.SubmitFrom(sp, start, func(to io.Writer) error {
		model := wire.Assembler{Want: start.Bytes()}
		return model.Copy(to, func() (*fedreluv1.Chunk, error) {
			m, err := stream.Recv()
			return m.GetChunk(), err
		})
	})
	if err != nil {
		return statusOf(err)
	}
	return stream.SendAndClose(&fedreluv1.SubmitReply{Run: id})
}

// ListRuns lists all runs.
func (s *controlService) ListRuns(context.Context, *fedreluv1.ListRunsRequest) (*fedreluv1.ListRunsReply, error) {
	runs, err := s.c.Runs()
	if err != nil {
		return nil, statusOf(err)
	}
	reply := &fedreluv1.ListRunsReply{}
	for i := range runs {
		r, err := runs[i].Proto()
		if err != nil {
			return nil, statusOf(err)
		}
		reply.Runs = append(reply.Runs, r)
	}
	return reply, nil
}

// Entries streams a run's record and chain.
func (s *controlService) Entries(req *fedreluv1.EntriesRequest, stream grpc.ServerStreamingServer[fedreluv1.EntriesReply]) error {
	run, err := s.c.Find(req.GetRun())
	if err != nil {
		return statusOf(err)
	}
	return statusOf(s.c.Follow(stream.Context(), run.ID, req.GetFrom(), req.GetFollow(), func(u coordinator.Update) error {
		reply, err := encodeUpdate(u)
		if err != nil {
			return err
		}
		return stream.Send(reply)
	}))
}

func encodeUpdate(u coordinator.Update) (*fedreluv1.EntriesReply, error) {
	switch {
	case u.Run != nil:
		r, err := u.Run.Proto()
		return &fedreluv1.EntriesReply{Reply: &fedreluv1.EntriesReply_Run{Run: r}}, err
	case u.Entry != nil:
		return &fedreluv1.EntriesReply{Reply: &fedreluv1.EntriesReply_Entry{Entry: u.Entry.Proto()}}, nil
	default:
		return &fedreluv1.EntriesReply{Reply: &fedreluv1.EntriesReply_Progress{Progress: encodeProgress(u.Progress)}}, nil
	}
}

func encodeProgress(p *coordinator.Progress) *fedreluv1.Progress {
	out := &fedreluv1.Progress{
		Round: uint32(p.Round), Invited: uint32(p.Invited), Answered: uint32(p.Answered), Workers: uint32(p.Workers),
		Phase: p.Phase, WaitingFor: p.WaitingFor,
	}
	if !p.Until.IsZero() {
		out.DeadlineMillis = uint64(max(1, time.Until(p.Until).Milliseconds()))
	}
	return out
}

// Cancel ends a run for good.
func (s *controlService) Cancel(_ context.Context, req *fedreluv1.CancelRequest) (*fedreluv1.CancelReply, error) {
	_, err := s.with(req.GetRun(), s.c.Cancel)
	return &fedreluv1.CancelReply{}, err
}

// Resume queues a stopped run again.
func (s *controlService) Resume(_ context.Context, req *fedreluv1.ResumeRequest) (*fedreluv1.ResumeReply, error) {
	id, err := s.with(req.GetRun(), s.c.Resume)
	return &fedreluv1.ResumeReply{Run: id}, err
}

// Remove deletes a run.
func (s *controlService) Remove(_ context.Context, req *fedreluv1.RemoveRequest) (*fedreluv1.RemoveReply, error) {
	_, err := s.with(req.GetRun(), s.c.Remove)
	return &fedreluv1.RemoveReply{}, err
}

// with finds the run that a request names and does something to it.
func (s *controlService) with(name string, do func(id string) error) (string, error) {
	run, err := s.c.Find(name)
	if err != nil {
		return "", statusOf(err)
	}
	return run.ID, statusOf(do(run.ID))
}

// Export streams a model.
func (s *controlService) Export(req *fedreluv1.ExportRequest, stream grpc.ServerStreamingServer[fedreluv1.ExportReply]) error {
	run, err := s.c.Find(req.GetRun())
	if err != nil {
		return statusOf(err)
	}
	var round *int
	if req.Round != nil {
		n := int(req.GetRound())
		round = &n
	}
	number, hash, model, err := s.c.OpenModel(run.ID, round)
	if err != nil {
		return statusOf(err)
	}
	defer model.Close()
	header := exportHeader(run, number, hash)
	if err := stream.Send(&fedreluv1.ExportReply{Reply: &fedreluv1.ExportReply_Header{Header: header}}); err != nil {
		return err
	}
	return statusOf(sendModel(stream, model))
}

func exportHeader(run record.Run, round int, hash tensor.Hash) *fedreluv1.ExportHeader {
	return &fedreluv1.ExportHeader{Run: run.ID, Round: uint32(round), ModelSha256: hash[:], Tensors: wire.EncodeTensors(run.Tensors)}
}

func sendModel(stream grpc.ServerStreamingServer[fedreluv1.ExportReply], model *store.Model) error {
	chunker := &wire.Chunker{Total: 4 * int64(model.Values()), Send: func(c *fedreluv1.Chunk) error {
		return stream.Send(&fedreluv1.ExportReply{Reply: &fedreluv1.ExportReply_Chunk{Chunk: c}})
	}}
	if err := model.Copy(stream.Context(), chunker); err != nil {
		return err
	}
	return chunker.Flush()
}
