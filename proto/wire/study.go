package wire

import (
	"slices"

	"github.com/fedrelu/fedrelu/localsgd"
	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
	"github.com/fedrelu/fedrelu/proto/readings"
)

// maxStudies bounds the studies of one order, and the bytes of a study's name.
const maxStudies = 1 << 7

func encodeStudy(m Study) *fedreluv1.Study {
	s := &fedreluv1.Study{
		Run: m.Run, Round: uint32(m.Round), Shards: encodeShards(m.Shards), StartSha256: m.Start[:], ModelSha256: m.Model[:], Studies: m.Studies,
	}
	for _, t := range m.Tasks {
		s.Tasks = append(s.Tasks, &fedreluv1.StudiedTask{Shard: uint32(t.Shard), Weight: uint64(t.Weight), Steps: uint32(t.Steps)})
	}
	return s
}

func decodeStudy(m *fedreluv1.Study) (ToWorker, error) {
	key, shards, err := decodeKeyed(m)
	if err != nil {
		return nil, err
	}
	s := Study{Key: key, Shards: shards, Studies: m.GetStudies()}
	if s.Start, err = decodeHash("start_sha256", m.GetStartSha256()); err != nil {
		return s, err
	}
	if s.Model, err = decodeHash("model_sha256", m.GetModelSha256()); err != nil {
		return s, err
	}
	if n := len(s.Studies); n == 0 || n > maxStudies {
		return s, malformed("studies", "%d, want 1 to %d", n, maxStudies)
	}
	for _, name := range s.Studies {
		if name == "" || len(name) > maxStudies {
			return s, malformed("studies", "a name of %d bytes, want 1 to %d", len(name), maxStudies)
		}
	}
	s.Tasks, err = decodeStudiedTasks(shards, m.GetTasks())
	return s, err
}

func decodeStudiedTasks(measured []int, tasks []*fedreluv1.StudiedTask) ([]StudiedTask, error) {
	var shards []uint32
	var all []StudiedTask
	for _, t := range tasks {
		w := localsgd.Weight(t.GetWeight())
		if w == 0 || w > localsgd.One {
			return nil, malformed("tasks.weight", "%d of shard %d", w, t.GetShard())
		}
		shards = append(shards, t.GetShard())
		all = append(all, StudiedTask{Shard: int(t.GetShard()), Weight: w, Steps: int(t.GetSteps())})
	}
	ascending, err := decodeShards("tasks", shards)
	if err != nil {
		return nil, err
	}
	for _, k := range measured {
		if _, found := slices.BinarySearch(ascending, k); !found {
			return nil, malformed("shards", "shard %d has no task", k)
		}
	}
	return all, nil
}

func encodeStudied(m Studied) *fedreluv1.Studied {
	return &fedreluv1.Studied{
		Run: m.Run, Round: uint32(m.Round), Readings: readings.Encode(m.Readings), Missing: readings.EncodeMissing(m.Missing),
	}
}

func decodeStudied(m *fedreluv1.Studied) (Studied, error) {
	key, err := decodeKey(m.GetRun(), m.GetRound())
	if err != nil {
		return Studied{}, err
	}
	s := Studied{Key: key}
	if s.Readings, err = readings.Decode(m.GetReadings()); err != nil {
		return s, malformed("studied", "%v", err)
	}
	if s.Missing, err = readings.DecodeMissing(m.GetMissing()); err != nil {
		return s, malformed("studied", "%v", err)
	}
	return s, nil
}
