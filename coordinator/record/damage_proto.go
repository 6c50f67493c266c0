package record

import fedreluv1 "github.com/fedrelu/fedrelu/proto/fedrelu/v1"

func (*Damaged) kind() Kind  { return KindDamaged }
func (*Repaired) kind() Kind { return KindRepaired }

func (d *Damaged) encode() ([]byte, error) {
	return marshal(&fedreluv1.DamagedRecord{
		Entries: each(d.Entries, func(e DamagedEntry) *fedreluv1.DamagedEntry {
			return &fedreluv1.DamagedEntry{Seq: e.Seq, Found: hashBytes(e.Found), Detail: text(e.Detail)}
		}),
		Time: nanos(d.Time),
	})
}

func damagedFromProto(p *fedreluv1.DamagedRecord) (Damaged, error) {
	f := reader{fields{of: "damaged"}}
	d := Damaged{
		Entries: each(p.GetEntries(), func(e *fedreluv1.DamagedEntry) DamagedEntry {
			return DamagedEntry{Seq: e.GetSeq(), Found: f.hash("entries.found", e.GetFound()), Detail: e.GetDetail()}
		}),
		Time: instant(p.GetTime()),
	}
	if f.err != nil {
		return Damaged{}, f.err
	}
	if err := d.Validate(); err != nil {
		return Damaged{}, err
	}
	return d, nil
}

func (r *Repaired) encode() ([]byte, error) {
	return marshal(&fedreluv1.RepairedRecord{
		Round: uint32(r.Round), Model: hashBytes(r.Model), Detail: text(r.Detail), Time: nanos(r.Time),
	})
}

func repairedFromProto(p *fedreluv1.RepairedRecord) (Repaired, error) {
	f := reader{fields{of: "repaired"}}
	r := Repaired{Round: int(p.GetRound()), Model: f.hash("model", p.GetModel()), Detail: p.GetDetail(), Time: instant(p.GetTime())}
	if f.err != nil {
		return Repaired{}, f.err
	}
	if err := r.Validate(); err != nil {
		return Repaired{}, err
	}
	return r, nil
}
