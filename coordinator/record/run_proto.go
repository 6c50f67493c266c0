package record

import (
	"time"

	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// maxRun bounds an encoded run: two specs, the sizes of the shards, and the rest, the largest part of which are the parts
// of 2^12 shards.
const maxRun = 2*MaxSpec + 10*MaxShards + 1<<20

// Marshal encodes the run. It fails with ErrInvalid if the run breaks a rule.
func (r *Run) Marshal() ([]byte, error) {
	m, err := r.Proto()
	if err != nil {
		return nil, err
	}
	return marshal(m)
}

// UnmarshalRun decodes and checks what Marshal made.
func UnmarshalRun(b []byte) (Run, error) {
	var m fedreluv1.RunRecord
	if err := unmarshal(b, maxRun, &m); err != nil {
		return Run{}, err
	}
	return RunFromProto(&m)
}

// Proto returns the run as the schema has it. It fails with ErrInvalid if the run breaks a rule.
func (r *Run) Proto() (*fedreluv1.RunRecord, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return &fedreluv1.RunRecord{
		Id: r.ID, Name: text(r.Name), Spec: r.Spec, SpecYaml: r.SpecYAML, Created: nanos(r.Created),
		Status: fedreluv1.RunStatus(r.Status), Reason: text(r.Reason), Layout: hashBytes(r.Layout),
		Data:       dataProto(r.Data),
		ShardSizes: numbers[uint64](r.ShardSizes), Build: text(r.Build), Numerics: r.Numerics, StartModel: hashBytes(r.StartModel),
		StartGiven: r.StartGiven,
		Keep:       &fedreluv1.KeepRule{Last: uint32(r.Keep.Last), Every: uint32(r.Keep.Every), Best: r.Keep.Best},
		WallNanos:  int64(r.Wall), Started: nanos(r.Started), Ended: nanos(r.Ended), Committed: commitProto(r.Committed),
		Tensors: each(r.Tensors, tensorProto), Parts: each(r.Parts, partProto),
	}, nil
}

// RunFromProto checks m and returns the run that it describes. m may be nil, which is not valid.
func RunFromProto(m *fedreluv1.RunRecord) (Run, error) {
	f := reader{fields{of: "run"}}
	keep := m.GetKeep()
	r := Run{
		ID: m.GetId(), Name: m.GetName(), Spec: m.GetSpec(), SpecYAML: m.GetSpecYaml(), Created: instant(m.GetCreated()),
		Status: Status(m.GetStatus()), Reason: m.GetReason(), Layout: f.hash("layout", m.GetLayout()),
		Data:       f.data("data", m.GetData()),
		ShardSizes: f.sizes("shard_sizes", m.GetShardSizes()), Build: m.GetBuild(), Numerics: m.GetNumerics(),
		StartModel: f.hash("start_model", m.GetStartModel()), StartGiven: m.GetStartGiven(),
		Keep: Keep{Last: int(keep.GetLast()), Every: int(keep.GetEvery()), Best: keep.GetBest()},
		Wall: time.Duration(m.GetWallNanos()), Started: instant(m.GetStarted()), Ended: instant(m.GetEnded()), Committed: commitFromProto(m.GetCommitted()),
		Tensors: each(m.GetTensors(), f.tensor), Parts: each(m.GetParts(), f.part),
	}
	if f.err != nil {
		return Run{}, f.err
	}
	if err := r.Validate(); err != nil {
		return Run{}, err
	}
	return r, nil
}

func dataProto(d Data) *fedreluv1.DataFingerprint {
	return &fedreluv1.DataFingerprint{
		TrainX: hashBytes(d.TrainX), TrainY: hashBytes(d.TrainY), TestX: hashBytes(d.TestX), TestY: hashBytes(d.TestY),
	}
}

func (r *reader) data(field string, m *fedreluv1.DataFingerprint) Data {
	return Data{
		TrainX: r.hash(field+".train_x", m.GetTrainX()), TrainY: r.hash(field+".train_y", m.GetTrainY()),
		TestX: r.hash(field+".test_x", m.GetTestX()), TestY: r.hash(field+".test_y", m.GetTestY()),
	}
}

func partProto(p shard.Part) *fedreluv1.PartRecord {
	return &fedreluv1.PartRecord{Examples: uint64(p.Examples), Tests: uint64(p.Tests), Data: dataProto(Data(p.Data))}
}

func (r *reader) part(m *fedreluv1.PartRecord) shard.Part {
	sizes := r.sizes("parts", []uint64{m.GetExamples(), m.GetTests()})
	return shard.Part{Examples: sizes[0], Tests: sizes[1], Data: shard.Fingerprint(r.data("parts.data", m.GetData()))}
}

func tensorProto(d tensor.Desc) *fedreluv1.TensorDesc {
	return &fedreluv1.TensorDesc{Name: d.Name, Shape: numbers[uint64](d.Shape), Buffer: d.Buffer}
}

func (r *reader) tensor(m *fedreluv1.TensorDesc) tensor.Desc {
	return tensor.Desc{Name: m.GetName(), Shape: r.sizes("tensors.shape", m.GetShape()), Buffer: m.GetBuffer()}
}

func commitProto(c *Commit) *fedreluv1.CommitRecord {
	if c == nil {
		return nil
	}
	return &fedreluv1.CommitRecord{Round: uint32(c.Round), Seconds: c.Seconds}
}

func commitFromProto(m *fedreluv1.CommitRecord) *Commit {
	if m == nil {
		return nil
	}
	return &Commit{Round: int(m.GetRound()), Seconds: m.GetSeconds()}
}
