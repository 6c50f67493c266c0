// Package readings turns what studies measured into the series of the schema and back: on the wire and in the store it is the
// same.
//
// Rules. Numbers of one quantity, at one layer and of one average model stand together, in the order of the first of each, so that names
// are written once; what is read is in this order. Nothing from outside is believed: names, counts and numbers are checked, and an error
// wraps ErrReadings and names the field.
package readings

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/fedrelu/fedrelu/analysis/study"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Limits of what one round may have.
const (
	Most      = 1 << 17 // numbers
	MostBytes = 2 << 20 // of them all, encoded: it is one message
	mostNames = 1 << 14 // series, and missing quantities
	mostText  = 1 << 10 // bytes of a name
	mostWords = 1 << 14 // bytes of a reason
	mostShard = 1 << 24
)

// ErrReadings is wrapped by every error of Decode.
var ErrReadings = errors.New("invalid readings")

func invalid(field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrReadings, field, fmt.Sprintf(format, args...))
}

// Encode returns readings as series. They must be such as Check accepts.
func Encode(readings []study.Reading) []*pb.ReadingSeries {
	type name struct{ quantity, layer, model string }
	at := make(map[name]*pb.ReadingSeries)
	var all []*pb.ReadingSeries
	for _, r := range readings {
		s := at[name{r.Quantity, r.Layer, r.Model}]
		if s == nil {
			s = &pb.ReadingSeries{Quantity: r.Quantity, Layer: r.Layer, Model: r.Model}
			at[name{r.Quantity, r.Layer, r.Model}] = s
			all = append(all, s)
		}
		s.Shards, s.Steps, s.Values = append(s.Shards, int32(r.Shard)), append(s.Steps, uint32(r.Step)), append(s.Values, r.Value)
	}
	for _, s := range all {
		if !slices.ContainsFunc(s.Shards, func(k int32) bool { return k != study.Average }) {
			s.Shards = nil
		}
		if !slices.ContainsFunc(s.Steps, func(n uint32) bool { return n != study.Whole }) {
			s.Steps = nil
		}
	}
	return all
}

// Decode checks series and returns their readings; nil for none.
func Decode(series []*pb.ReadingSeries) ([]study.Reading, error) {
	if len(series) > mostNames {
		return nil, invalid("readings", "%d series, want at most %d", len(series), mostNames)
	}
	var all []study.Reading
	for _, s := range series {
		n := len(s.GetValues())
		switch {
		case len(all)+n > Most:
			return nil, invalid("readings", "more than %d numbers", Most)
		case len(s.GetShards()) != 0 && len(s.GetShards()) != n:
			return nil, invalid("readings.shards", "%d for %d values", len(s.GetShards()), n)
		case len(s.GetSteps()) != 0 && len(s.GetSteps()) != n:
			return nil, invalid("readings.steps", "%d for %d values", len(s.GetSteps()), n)
		}
		for i, v := range s.GetValues() {
			r := study.Reading{Quantity: s.GetQuantity(), Layer: s.GetLayer(), Model: s.GetModel(), Shard: study.Average, Step: study.Whole, Value: v}
			if len(s.GetShards()) > 0 {
				r.Shard = int(s.GetShards()[i])
			}
			if len(s.GetSteps()) > 0 {
				r.Step = int(s.GetSteps()[i])
			}
			all = append(all, r)
		}
	}
	return all, Check(all)
}

// Check returns an error that wraps ErrReadings and names the first field that is out of range.
func Check(readings []study.Reading) error {
	if len(readings) > Most {
		return invalid("readings", "%d numbers, want at most %d", len(readings), Most)
	}
	for _, r := range readings {
		switch {
		case r.Quantity == "" || len(r.Quantity) > mostText:
			return invalid("readings.quantity", "%d bytes, want 1 to %d", len(r.Quantity), mostText)
		case len(r.Layer) > mostText:
			return invalid("readings.layer", "%d bytes, want at most %d", len(r.Layer), mostText)
		case r.Model != "" && r.Model != study.Mean && r.Model != study.Next && r.Model != study.Measured:
			return invalid("readings.model", "%q of %s, want %s, %s, %s or nothing", r.Model, r.Quantity, study.Mean, study.Next, study.Measured)
		case r.Shard < study.Average || r.Shard >= mostShard:
			return invalid("readings.shards", "%d of %s, want -1 to %d", r.Shard, r.Quantity, mostShard-1)
		case r.Step < 0 || r.Step > math.MaxInt32:
			return invalid("readings.steps", "%d of %s, want 0 to 2^31-1", r.Step, r.Quantity)
		case math.IsNaN(r.Value) || math.IsInf(r.Value, 0):
			return invalid("readings.values", "%v of %s, want a finite number", r.Value, r.Quantity)
		}
	}
	return nil
}

// Size returns how many bytes readings have when they are encoded.
func Size(readings []study.Reading) int {
	return proto.Size(&pb.MeasuredRecord{Readings: Encode(readings)})
}

// EncodeMissing returns the schema's form of what is missing.
func EncodeMissing(missing []study.Missing) []*pb.MissingReading {
	var all []*pb.MissingReading
	for _, m := range missing {
		all = append(all, &pb.MissingReading{Quantity: m.Quantity, Reason: strings.ToValidUTF8(m.Reason, "?")})
	}
	return all
}

// DecodeMissing checks what is missing. Reasons that are too long are cut.
func DecodeMissing(missing []*pb.MissingReading) ([]study.Missing, error) {
	var all []study.Missing
	for _, m := range missing {
		reason := m.GetReason()
		all = append(all, study.Missing{Quantity: m.GetQuantity(), Reason: reason[:min(len(reason), mostWords)]})
	}
	return all, CheckMissing(all)
}

// CheckMissing is Check for what is missing.
func CheckMissing(missing []study.Missing) error {
	if len(missing) > mostNames {
		return invalid("missing", "%d quantities, want at most %d", len(missing), mostNames)
	}
	for _, m := range missing {
		if m.Quantity == "" || len(m.Quantity) > mostText {
			return invalid("missing.quantity", "%d bytes, want 1 to %d", len(m.Quantity), mostText)
		}
	}
	return nil
}
