package coordinator

import (
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/bounds"
)

// laws looks in the chain of a run for what cannot be: a rank above its certificate, an exact law that is broken. It reads what was
// committed, so that it speaks of nothing but what everybody can check.
type laws struct {
	follower *bounds.Follower
	next     uint64               // entry of the chain
	round    *record.RoundHistory // the last one, while its measurements may come
	said     map[lawOf]bool
}

// lawOf is what is said once: a law that is broken will be so again in the next round.
type lawOf struct {
	law   bounds.Law
	layer string
}

// checkLaws reads the chain from where it stopped last time, and warns of the first violation of each law by each layer. A chain
// that cannot be read is no reason to stop a run: verify speaks of it.
func (o *owner) checkLaws() {
	for e, err := range o.c.store.Entries(o.run.ID, o.laws.next) {
		if err == nil {
			err = o.checkEntry(e)
		}
		if err != nil {
			o.log.Debug("an entry says nothing of the laws", "why", err)
		}
	}
}

func (o *owner) checkEntry(e record.Entry) (err error) {
	w := &o.laws
	if w.follower == nil {
		w.said = make(map[lawOf]bool)
		if w.follower, err = bounds.Follow(o.run); err != nil {
			return err
		}
	}
	w.next = e.Seq + 1
	broken, err := w.take(e)
	for _, v := range broken {
		if of := (lawOf{v.Law, v.Layer}); !w.said[of] {
			w.said[of] = true
			o.warnOf(v)
		}
	}
	return err
}

// take returns the laws that an entry of the chain breaks. A measurement that comes after its successor's round has no certificate.
func (w *laws) take(e record.Entry) ([]bounds.Violation, error) {
	switch e.Kind {
	case record.KindRound:
		r, err := e.Round()
		if w.round != nil {
			w.follower.Add(w.round)
		}
		w.round = nil
		if err != nil {
			return nil, err
		}
		w.round = &record.RoundHistory{Round: r}
	case record.KindMeasured:
		m, err := e.Measured()
		if err != nil {
			return nil, err
		}
		if r := w.round; r != nil && r.Number == m.Round {
			w.round = nil
			r.Measured = &m
			return bounds.Broken(r, w.follower.Add(r)), nil
		}
	}
	return nil, nil
}

func (o *owner) warnOf(v bounds.Violation) {
	const certificate = "CERTIFICATE VIOLATED: training, measurement or certificate are wrong, please report this"
	switch v.Law {
	case bounds.CertificateLaw:
		o.log.Warn(certificate, "round", v.Round, "layer", v.Layer, "rank", v.Rank, "bound", v.Bound)
		return
	case bounds.LocalCertificateLaw:
		o.log.Warn(certificate, "round", v.Round, "layer", v.Layer, "shard", v.Shard, "rank", v.Rank, "bound", v.Bound)
		return
	}
	o.log.Warn("EXACT LAW BROKEN: training, measurement or law are wrong, please report this",
		"law", string(v.Law), "round", v.Round, "layer", v.Layer, "measured", v.Measured, "allowed", v.Allowed)
}
