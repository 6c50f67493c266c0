package readings

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fedrelu/fedrelu/analysis/study"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

func TestReadingsComeThrough(t *testing.T) {
	all := []study.Reading{
		{Quantity: "loss", Shard: 3, Step: 1, Value: 0.5},
		{Quantity: "rank", Layer: "0.weight", Shard: study.Average, Value: 7},
		{Quantity: "loss", Shard: 3, Step: 2, Value: 0.25},
		{Quantity: "loss", Shard: study.Average, Step: 2, Value: -1e-300},
		{Quantity: "rank", Layer: "0.weight", Shard: study.Average, Model: study.Next, Value: 8},
		{Quantity: "rank", Layer: "2.weight", Shard: study.Average, Value: 2},
	}
	want := []study.Reading{all[0], all[2], all[3], all[1], all[4], all[5]} // one quantity at one layer stands together
	b, err := proto.Marshal(&pb.MeasuredRecord{Readings: Encode(all)})
	if err != nil {
		t.Fatal(err)
	}
	var back pb.MeasuredRecord
	if err := proto.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	got, err := Decode(back.Readings)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	again, err := Decode(Encode(got))
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	missing := []study.Missing{{Quantity: "entropy", Reason: "no ReLU"}}
	if got, err := DecodeMissing(EncodeMissing(missing)); err != nil || !reflect.DeepEqual(got, missing) {
		t.Errorf("missing: %+v, %v", got, err)
	}
}

// TestNamesAreWrittenOnce: a thousand numbers of one series cost little more than their values.
func TestNamesAreWrittenOnce(t *testing.T) {
	var all []study.Reading
	for step := range 1000 {
		all = append(all, study.Reading{Quantity: "saw_tooth.effective_rank", Layer: "0.weight", Shard: study.Average, Step: step + 1, Value: 1.5})
	}
	if n := Size(all); n > 1000*(8+2)+100 || n < 1000*8 {
		t.Errorf("1000 numbers have %d bytes", n)
	}
}

func TestReadingsAreChecked(t *testing.T) {
	good := func() *pb.ReadingSeries {
		return &pb.ReadingSeries{Quantity: "q", Layer: "l", Shards: []int32{0, 1}, Steps: []uint32{0, 1}, Values: []float64{1, 2}}
	}
	if _, err := Decode([]*pb.ReadingSeries{good()}); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*pb.ReadingSeries){
		"readings.quantity": func(s *pb.ReadingSeries) { s.Quantity = "" },
		"readings.layer":    func(s *pb.ReadingSeries) { s.Layer = strings.Repeat("l", mostText+1) },
		"readings.shards":   func(s *pb.ReadingSeries) { s.Shards[1] = -2 },
		"readings.shards: ": func(s *pb.ReadingSeries) { s.Shards = s.Shards[:1] },
		"readings.steps":    func(s *pb.ReadingSeries) { s.Steps[0] = math.MaxUint32 },
		"readings.steps: ":  func(s *pb.ReadingSeries) { s.Steps = append(s.Steps, 1) },
		"readings.values":   func(s *pb.ReadingSeries) { s.Values[1] = math.NaN() },
		"readings: ":        func(s *pb.ReadingSeries) { s.Values = make([]float64, Most+1) },
	} {
		s := good()
		spoil(s)
		if _, err := Decode([]*pb.ReadingSeries{s}); !errors.Is(err, ErrReadings) || !strings.Contains(err.Error(), field) {
			t.Errorf("spoiled %s: %v", field, err)
		}
	}
	if _, err := DecodeMissing([]*pb.MissingReading{{}}); !errors.Is(err, ErrReadings) {
		t.Errorf("a missing quantity without a name: %v", err)
	}
	long, err := DecodeMissing([]*pb.MissingReading{{Quantity: "q", Reason: strings.Repeat("r", mostWords+1)}})
	if err != nil || len(long[0].Reason) != mostWords {
		t.Errorf("a long reason: %v", err)
	}
}
