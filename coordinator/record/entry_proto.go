package record

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Marshal encodes the entry as it is stored.
func (e *Entry) Marshal() ([]byte, error) { return marshal(e.Proto()) }

// UnmarshalEntry decodes what Marshal made and checks all but the body and the hash (see CheckHash).
func UnmarshalEntry(b []byte) (Entry, error) {
	var m fedreluv1.EntryRecord
	if err := unmarshal(b, MaxEntry, &m); err != nil {
		return Entry{}, err
	}
	return EntryFromProto(&m)
}

// Proto returns the entry as the schema has it.
func (e *Entry) Proto() *fedreluv1.EntryRecord {
	return &fedreluv1.EntryRecord{
		Seq: e.Seq, Kind: fedreluv1.EntryKind(e.Kind), Prev: hashBytes(e.Prev), Body: e.Body, Hash: hashBytes(e.Hash),
		Committed: commitProto(e.Committed),
	}
}

// EntryFromProto returns the entry that m describes, checked as by UnmarshalEntry. m may be nil, which is not valid.
func EntryFromProto(m *fedreluv1.EntryRecord) (Entry, error) {
	f := reader{fields{of: "entry"}}
	e := Entry{
		Seq: m.GetSeq(), Kind: Kind(m.GetKind()), Prev: f.hash("prev", m.GetPrev()), Body: m.GetBody(),
		Hash: f.hash("hash", m.GetHash()), Committed: commitFromProto(m.GetCommitted()),
	}
	if f.err != nil {
		return Entry{}, f.err
	}
	if err := e.Validate(); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// Round decodes and checks the body of an entry of KindRound.
func (e *Entry) Round() (Round, error) {
	var m fedreluv1.RoundRecord
	if err := e.body(KindRound, &m); err != nil {
		return Round{}, err
	}
	return roundFromProto(&m)
}

// Measured decodes and checks the body of an entry of KindMeasured.
func (e *Entry) Measured() (Measured, error) {
	var m fedreluv1.MeasuredRecord
	if err := e.body(KindMeasured, &m); err != nil {
		return Measured{}, err
	}
	return measuredFromProto(&m)
}

// Damaged decodes and checks the body of an entry of KindDamaged.
func (e *Entry) Damaged() (Damaged, error) {
	var m fedreluv1.DamagedRecord
	if err := e.body(KindDamaged, &m); err != nil {
		return Damaged{}, err
	}
	return damagedFromProto(&m)
}

// Repaired decodes and checks the body of an entry of KindRepaired.
func (e *Entry) Repaired() (Repaired, error) {
	var m fedreluv1.RepairedRecord
	if err := e.body(KindRepaired, &m); err != nil {
		return Repaired{}, err
	}
	return repairedFromProto(&m)
}

func (e *Entry) body(want Kind, m proto.Message) error {
	if e.Kind != want {
		return fmt.Errorf("%w: entry %d is of kind %v, not %v", ErrInvalid, e.Seq, e.Kind, want)
	}
	if err := unmarshal(e.Body, MaxEntry, m); err != nil {
		return fmt.Errorf("decoding %v entry %d: %w", e.Kind, e.Seq, err)
	}
	return nil
}

// CheckBody decodes the body, whatever its kind, and returns what is wrong with it.
func (e *Entry) CheckBody() (err error) {
	switch e.Kind {
	case KindRound:
		_, err = e.Round()
	case KindMeasured:
		_, err = e.Measured()
	case KindDamaged:
		_, err = e.Damaged()
	case KindRepaired:
		_, err = e.Repaired()
	default:
		err = fmt.Errorf("%w: entry %d is of %v", ErrInvalid, e.Seq, e.Kind)
	}
	return err
}
