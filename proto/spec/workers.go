package spec

import (
	"fmt"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// MaxWorkerShards bounds the shards of a run whose workers bring them: a worker may have to list all in one message.
const MaxWorkerShards = 1 << 12

// maxFeatures bounds the values of an example that workers bring.
const maxFeatures = 1 << 24

var workerFormats = map[pb.WorkerFormat]WorkerFormat{
	pb.WorkerFormat_WORKER_FORMAT_IDX: WorkerIDX, pb.WorkerFormat_WORKER_FORMAT_CSV: WorkerCSV,
	pb.WorkerFormat_WORKER_FORMAT_NPZ: WorkerNPZ, pb.WorkerFormat_WORKER_FORMAT_SAFETENSORS: WorkerSafetensors,
}

func fillWorkers(w *pb.WorkerData) {
	set(&w.Dir, ".")
	set(&w.Label, "")
	set(&w.Header, true)
}

// fillPartition says what the shards are that workers bring: one after the other.
func fillPartition(s *pb.Shards) {
	if partition := section(&s.Partition); partition.Form == nil {
		partition.Form = &pb.Partition_Contiguous{Contiguous: &pb.Contiguous{}}
	}
}

func workersFrom(m *pb.WorkerData) Workers {
	w := Workers{
		Dir: m.GetDir(), Format: workerFormats[m.GetFormat()], Classes: int(m.GetClasses()), Targets: int(m.GetTargets()),
		Label: m.GetLabel(), NoHeader: !m.GetHeader(),
	}
	for i, n := range m.GetShape() {
		w.Dims[i] = int(n)
	}
	return w
}

func workersTo(w Workers) *pb.WorkerData {
	header := !w.NoHeader
	m := &pb.WorkerData{Dir: &w.Dir, Format: key(workerFormats, w.Format), Label: &w.Label, Header: &header}
	for _, n := range w.Like().Shape {
		m.Shape = append(m.Shape, int32(n))
	}
	if w.Classes > 0 {
		m.Answer = &pb.WorkerData_Classes{Classes: int32(w.Classes)}
	} else {
		m.Answer = &pb.WorkerData_Targets{Targets: int32(w.Targets)}
	}
	return m
}

// fitWorkers checks data that workers bring: what the format asks for, and that nothing else is to split them.
func (r *reader) fitWorkers(s *pb.Spec) {
	w := s.Data.GetWorkers()
	if w == nil {
		return
	}
	const path = "data.workers"
	switch csv := w.GetFormat() == pb.WorkerFormat_WORKER_FORMAT_CSV; {
	case csv && w.GetLabel() == "":
		r.object("csv needs the column of the label", path+".label", path)
	case csv && w.GetTargets() > 1:
		r.object("csv has one column to be predicted, expected 1", path+".targets")
	case csv && len(w.GetShape()) > 1:
		r.object("csv has columns of features, expected their number alone", path+".shape")
	case !csv && (w.GetLabel() != "" || !w.GetHeader()):
		r.object("label and header are of csv", path)
	case w.GetFormat() == pb.WorkerFormat_WORKER_FORMAT_IDX && w.GetTargets() > 0:
		r.object("idx has class labels, expected classes", path+".targets")
	}
	size := int64(1)
	for _, n := range w.GetShape() {
		if size *= int64(n); size > maxFeatures {
			r.object(fmt.Sprintf("an example has more than %d values", maxFeatures), path+".shape")
			break
		}
	}
	if p := s.Shards.Partition.GetContiguous(); p == nil || len(p.GetSizes()) > 0 {
		r.object("the workers' own folders are the shards, expected none", "shards.partition", path)
	}
	if s.Shards.Limit != nil {
		r.object("the workers' own folders are the shards, expected none", "shards.limit", path)
	}
	if n := s.Shards.GetCount(); n > MaxWorkerShards {
		r.object(fmt.Sprintf("%d shards, at most %d are allowed with %s", n, MaxWorkerShards, path), "shards.count", path)
	}
}
