package record

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fedrelu/fedrelu/analysis/activity"
	"github.com/fedrelu/fedrelu/analysis/study"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

func drawHash(t *rapid.T, label string) tensor.Hash {
	var h tensor.Hash
	copy(h[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
	h[0] |= 1 // not zero
	return h
}

func drawTime(t *rapid.T) time.Time { return instant(rapid.Int64Range(0, 1<<62).Draw(t, "time")) }

func drawNumber(t *rapid.T, label string) *float64 {
	if rapid.Bool().Draw(t, label+" is nil") {
		return nil
	}
	return Number(rapid.Float64().Filter(func(v float64) bool { return Number(v) != nil }).Draw(t, label))
}

func drawFraction(t *rapid.T, label string) *float64 {
	v := rapid.Float64Range(0, 1).Draw(t, label)
	return &v
}

// drawShards draws disjoint ascending lists and their union.
func drawShards(t *rapid.T) (in, out, all []int) {
	for s := range rapid.IntRange(0, 20).Draw(t, "shards") {
		switch rapid.IntRange(0, 2).Draw(t, "side") {
		case 0:
			in, all = append(in, 3*s), append(all, 3*s)
		case 1:
			out, all = append(out, 3*s), append(all, 3*s)
		}
	}
	return in, out, all
}

func drawRound(t *rapid.T) *Round {
	text, count := rapid.String(), rapid.Int64Range(0, 1<<60)
	seconds := rapid.Float64Range(0, 1e6)
	r := &Round{
		Number: rapid.IntRange(0, 1000).Draw(t, "number"), CloseReason: text.Draw(t, "reason"),
		TestAccuracy: drawFraction(t, "accuracy"), TestLoss: drawNumber(t, "test loss"), TrainLoss: drawNumber(t, "train loss"),
		Examples: count.Draw(t, "examples"), Steps: count.Draw(t, "steps"), BytesUp: count.Draw(t, "up"), BytesDown: count.Draw(t, "down"),
		Seconds: Seconds{Train: seconds.Draw(t, "train"), Wait: seconds.Draw(t, "wait"), Network: seconds.Draw(t, "network"),
			Aggregate: seconds.Draw(t, "aggregate"), MeasureWait: seconds.Draw(t, "measure wait")},
		Model: drawHash(t, "model"), Time: drawTime(t), MeasureDue: rapid.Bool().Draw(t, "due"),
	}
	if r.Number == 0 {
		return r
	}
	r.StartModel = drawHash(t, "start")
	if rapid.Bool().Draw(t, "asynchronous") {
		drawArrivals(t, r)
		return r
	}
	r.Participants, r.Missing, r.Invited = drawShards(t)
	for range r.Participants {
		r.Weights = append(r.Weights, rapid.Uint64().Draw(t, "weight"))
	}
	if len(r.Missing) > 0 {
		r.Diverged = []Diverged{{Shard: r.Missing[0], Step: count.Draw(t, "step"), Detail: text.Draw(t, "detail")}}
	}
	r.Workers = []Worker{{Name: text.Draw(t, "worker"), Shards: r.Participants}}
	return r
}

// drawArrivals makes a round asynchronous.
func drawArrivals(t *rapid.T, r *Round) {
	seen := make(map[Arrival]bool)
	for range rapid.IntRange(1, 6).Draw(t, "arrivals") {
		a := Arrival{Start: rapid.IntRange(0, r.Number-1).Draw(t, "from"), Shard: rapid.IntRange(0, 50).Draw(t, "shard")}
		if seen[a] {
			continue
		}
		seen[a] = true
		r.Arrivals, r.Participants = append(r.Arrivals, a), append(r.Participants, a.Shard)
		r.Weights = append(r.Weights, rapid.Uint64().Draw(t, "weight"))
	}
	if rapid.Bool().Draw(t, "discarded") {
		r.Discarded = []Discarded{{Arrival{0, 3}, rapid.String().Draw(t, "why")}}
		r.Diverged = []Diverged{{Shard: 70, Step: 1}}
	}
}

func drawMeasured(t *rapid.T) *Measured {
	text, positive := rapid.String(), rapid.Float64Range(0, 1e9)
	m := &Measured{Round: rapid.IntRange(0, 1000).Draw(t, "round"), DriftReason: text.Draw(t, "drift reason"),
		LayersReason: text.Draw(t, "layers reason"), Seconds: positive.Draw(t, "seconds"), Time: drawTime(t)}
	if rapid.Bool().Draw(t, "drift") {
		shards, _, _ := drawShards(t)
		m.Drift = &Drift{Model: ModelNext, Probe: 32, Shards: shards, Drift: drawNumber(t, "drift"), DriftRel: drawNumber(t, "rel"),
			DriftMax: drawNumber(t, "max"), Cosine: drawNumber(t, "cosine"), Divergence: drawNumber(t, "divergence"),
			DivergenceRel: drawNumber(t, "divergence rel"), Lipschitz: drawNumber(t, "lipschitz")}
		if rapid.Bool().Draw(t, "probes") {
			for range shards {
				m.Drift.Probes = append(m.Drift.Probes, rapid.IntRange(1, 32).Draw(t, "probe"))
			}
		}
		for range rapid.IntRange(0, 2).Draw(t, "modules") {
			m.Drift.Flips = append(m.Drift.Flips, activity.Flip{Name: "1", Fraction: *drawFraction(t, "flips")})
			m.Drift.Modules = append(m.Drift.Modules, ModuleDrift{Name: "0", Drift: drawNumber(t, "drift"), DriftRel: drawNumber(t, "rel"),
				DriftMax: drawNumber(t, "max"), Cosine: drawNumber(t, "cosine"), Divergence: drawNumber(t, "divergence"),
				DivergenceRel: drawNumber(t, "divergence rel"), Lipschitz: drawNumber(t, "lipschitz")})
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "layers") {
		l := Layer{Name: "0.weight", Shape: []int{3, 4}, Reason: text.Draw(t, "reason"), Warning: text.Draw(t, "warning")}
		if rapid.Bool().Draw(t, "spectrum") {
			l.Spectrum = &Spectrum{Rank: 3, Epsilon: 0.001, Ranks: []RankAt{{0.01, 2}}, StableRank: positive.Draw(t, "stable"),
				EffectiveRank: positive.Draw(t, "effective"), Top: []float64{positive.Draw(t, "top")},
				Frobenius: positive.Draw(t, "frobenius"), Spectral: positive.Draw(t, "spectral")}
		}
		if l.Spectrum != nil && rapid.Bool().Draw(t, "values") {
			l.Spectrum.Values = []float64{positive.Draw(t, "first"), positive.Draw(t, "second")}
		}
		l.Positions = rapid.IntRange(0, 9).Draw(t, "positions")
		m.Layers = append(m.Layers, l)
	}
	for step := range rapid.IntRange(0, 3).Draw(t, "readings") {
		m.Readings = append(m.Readings, study.Reading{Quantity: "q", Layer: "0", Shard: study.Average, Step: step, Value: positive.Draw(t, "value")})
		m.Missing = append(m.Missing, study.Missing{Quantity: "p", Reason: "why"})
	}
	return m
}

func drawRun(t *rapid.T) Run {
	bytes := rapid.SliceOfN(rapid.Byte(), 1, 40)
	r := Run{
		ID: rapid.StringMatching(`[a-z0-9_-]{4,20}`).Draw(t, "id"), Name: rapid.String().Draw(t, "name"), Spec: bytes.Draw(t, "spec"),
		SpecYAML: bytes.Draw(t, "yaml"), Created: drawTime(t), Status: Status(rapid.IntRange(1, 6).Draw(t, "status")),
		Reason: rapid.String().Draw(t, "reason"), Layout: drawHash(t, "layout"),
		Data:       Data{TrainY: drawHash(t, "train labels"), TestX: drawHash(t, "test examples")},
		ShardSizes: rapid.SliceOfN(rapid.IntRange(0, 1<<40), 1, 9).Draw(t, "sizes"), Build: "build", Numerics: rapid.Uint32().Draw(t, "numerics"),
		Tensors:    []tensor.Desc{{Name: "0.weight", Shape: []int{3, 4}}, {Name: "1.running_mean", Shape: []int{3}, Buffer: true}},
		StartModel: drawHash(t, "start"), Keep: Keep{Last: 3, Every: rapid.IntRange(0, 9).Draw(t, "every"), Best: true},
		Wall: time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "wall")), Started: drawTime(t), Ended: drawTime(t),
	}
	if rapid.Bool().Draw(t, "own shards") {
		for _, n := range r.ShardSizes {
			r.Parts = append(r.Parts, shard.Part{Examples: n, Tests: rapid.IntRange(0, 9).Draw(t, "tests"), Data: shard.Fingerprint(r.Data)})
		}
	}
	if rapid.Bool().Draw(t, "committed") {
		r.Committed = &Commit{Round: 7, Seconds: rapid.Float64Range(0, 1e9).Draw(t, "seconds")}
	}
	return r
}

func same(t *rapid.T, got, want any, err error) {
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read\n%+v, written\n%+v", got, want)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := drawRun(t)
		b, err := run.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		gotRun, err := UnmarshalRun(b)
		same(t, gotRun, run, err)

		link := func(body Body) Entry {
			e, err := Link("run1", 7, tensor.Hash{1}, body, run.Committed)
			if err != nil {
				t.Fatal(err)
			}
			b, err := e.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := UnmarshalEntry(b)
			same(t, got, e, errors.Join(err, e.CheckHash("run1"), e.CheckBody()))
			return e
		}
		round, measured := drawRound(t), drawMeasured(t)
		e := link(round)
		gotRound, err := e.Round()
		same(t, gotRound, *round, err)
		e = link(measured)
		gotMeasured, err := e.Measured()
		same(t, gotMeasured, *measured, err)
		damaged := &Damaged{Entries: []DamagedEntry{{Seq: 3, Found: drawHash(t, "found")}, {Seq: 9, Detail: "missing"}}, Time: drawTime(t)}
		e = link(damaged)
		gotDamaged, err := e.Damaged()
		same(t, gotDamaged, *damaged, err)
		repaired := &Repaired{Round: 4, Model: drawHash(t, "repaired"), Detail: "CRC", Time: drawTime(t)}
		e = link(repaired)
		gotRepaired, err := e.Repaired()
		same(t, gotRepaired, *repaired, err)
	})
}

func validRound() *Round {
	return &Round{Number: 2, Invited: []int{1, 2, 3}, Participants: []int{1, 3}, Missing: []int{2}, Weights: []uint64{1, 1},
		StartModel: tensor.Hash{1}, Model: tensor.Hash{2}}
}

func TestRoundsThatBreakARuleAreRefused(t *testing.T) {
	nan, two := math.NaN(), 2.0
	for field, spoil := range map[string]func(r *Round){
		"number":          func(r *Round) { r.Number = -1 },
		"invited":         func(r *Round) { r.Missing = nil },
		"participants":    func(r *Round) { r.Participants = []int{3, 1} },
		"missing":         func(r *Round) { r.Missing = []int{2, 2} },
		"weights":         func(r *Round) { r.Weights = r.Weights[:1] },
		"diverged.shard":  func(r *Round) { r.Diverged = []Diverged{{Shard: 9}} },
		"diverged.step":   func(r *Round) { r.Diverged = []Diverged{{Shard: 2, Step: -1}} },
		"workers.shards":  func(r *Round) { r.Workers = []Worker{{Shards: []int{-1}}} },
		"test_accuracy":   func(r *Round) { r.TestAccuracy = &two },
		"test_loss":       func(r *Round) { r.TestLoss = &nan },
		"examples":        func(r *Round) { r.Examples = -1 },
		"seconds.network": func(r *Round) { r.Seconds.Network = math.Inf(1) },
		"seconds.train":   func(r *Round) { r.Seconds.Train = nan },
		"start_model":     func(r *Round) { r.StartModel = tensor.Hash{} },
		"model":           func(r *Round) { r.Model = tensor.Hash{} },
	} {
		t.Run(field, func(t *testing.T) {
			r := validRound()
			if _, err := Link("run1", 0, tensor.Hash{}, r, nil); err != nil {
				t.Fatal(err)
			}
			spoil(r)
			_, err := Link("run1", 0, tensor.Hash{}, r, nil)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "round."+field) {
				t.Fatalf("error is %v", err)
			}
			// What another program wrote against the rules is refused by the reader, too.
			if r.Number >= 0 && (len(r.Workers) == 0 || r.Workers[0].Shards[0] >= 0) {
				body, err := r.encode()
				if err != nil {
					t.Fatal(err)
				}
				e := Entry{Kind: KindRound, Body: body}
				if _, err := e.Round(); !errors.Is(err, ErrInvalid) {
					t.Fatalf("reading: error is %v", err)
				}
			}
		})
	}
}

func TestEntriesBelongToTheirRunAndPlace(t *testing.T) {
	e, err := Link("run1", 5, tensor.Hash{9}, validRound(), &Commit{Round: 1, Seconds: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.CheckHash("run2"); !errors.Is(err, ErrHash) {
		t.Errorf("another run: error is %v", err)
	}
	for name, tamper := range map[string]func(e *Entry){
		"seq":       func(e *Entry) { e.Seq++ },
		"kind":      func(e *Entry) { e.Kind = KindMeasured },
		"prev":      func(e *Entry) { e.Prev[31] ^= 1 },
		"body":      func(e *Entry) { e.Body = append([]byte{0}, e.Body...) },
		"hash":      func(e *Entry) { e.Hash[0] ^= 1 },
		"committed": func(e *Entry) { e.Committed = &Commit{Round: 1, Seconds: 0.25} },
		"no commit": func(e *Entry) { e.Committed = nil },
	} {
		tampered := e
		tamper(&tampered)
		if err := tampered.CheckHash("run1"); !errors.Is(err, ErrHash) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// The chain of a run must be verifiable by every later version: these hashes never change.
func TestHashesStayTheSame(t *testing.T) {
	run := Run{ID: "run1", Spec: []byte("spec"), Layout: tensor.Hash{1}, Numerics: 3, ShardSizes: []int{4, 5}}
	if got, want := run.Genesis().String(), "7219d186986c6fd6c759896233ab830dbfb77e55618fd8a6ce3e4008ce127e41"; got != want {
		t.Errorf("genesis is %s, was %s", got, want)
	}
	e := Entry{Seq: 7, Kind: KindRound, Prev: run.Genesis(), Body: []byte("body"), Committed: &Commit{Round: 6, Seconds: 0.5}}
	if got, want := e.hash("run1").String(), "2286bff5def4fd4f6a10487b98f23595d2e77194d80fce832ea0fe4dfab19723"; got != want {
		t.Errorf("hash of the entry is %s, was %s", got, want)
	}
}

func TestTextsAreCutAndMadeValid(t *testing.T) {
	got := text(strings.Repeat("ä", MaxText) + "\xff")
	if len(got) > MaxText || !utf8.ValidString(got) || len(got) < MaxText-utf8.UTFMax {
		t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
	}
	if got := text("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}

func FuzzUnmarshal(f *testing.F) {
	e, err := Link("run1", 5, tensor.Hash{9}, validRound(), &Commit{Round: 1, Seconds: 0.5})
	if err != nil {
		f.Fatal(err)
	}
	run := Run{ID: "run1", Status: Queued, ShardSizes: []int{1}}
	for _, m := range []interface{ Marshal() ([]byte, error) }{&e, &run} {
		b, err := m.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(e.Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := UnmarshalRun(b); err == nil {
			if _, err := r.Marshal(); err != nil {
				t.Errorf("a run that was read cannot be written: %v", err)
			}
		}
		if e, err := UnmarshalEntry(b); err == nil {
			_ = e.CheckBody()
		}
		for kind := KindRound; kind <= KindRepaired; kind++ {
			e := Entry{Kind: kind, Body: b}
			_ = e.CheckBody()
		}
	})
}

func TestHistoryPutsRoundsTogether(t *testing.T) {
	var chain []Entry
	prev := tensor.Hash{}
	add := func(body Body, committed *Commit) {
		e, err := Link("run1", uint64(len(chain)), prev, body, committed)
		if err != nil {
			t.Fatal(err)
		}
		chain, prev = append(chain, e), e.Hash
	}
	round := func(n int) *Round {
		r := validRound()
		r.Number, r.Seconds = n, Seconds{Train: 1, Wait: 2, Network: 3, Aggregate: 4, MeasureWait: 2}
		return r
	}
	add(&Round{Model: tensor.Hash{1}}, nil)
	add(round(1), nil)
	add(round(2), &Commit{Round: 1, Seconds: 0.5})
	add(&Measured{Round: 1, DriftReason: "one participant"}, nil)
	var h History
	for _, e := range chain {
		if err := h.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	h.Finish(&Run{Committed: &Commit{Round: 2, Seconds: 0.25}})
	rounds := h.Rounds()
	if len(rounds) != 3 || rounds[1].Entry != chain[1].Hash || rounds[1].Measured == nil || rounds[2].Measured != nil {
		t.Fatalf("%+v", rounds)
	}
	if rounds[0].Commit != nil || rounds[1].Total() != 10.5 || rounds[2].Total() != 10.25 {
		t.Errorf("totals are %v, %v, %v", rounds[0].Total(), rounds[1].Total(), rounds[2].Total())
	}
	if err := h.Add(chain[1]); !errors.Is(err, ErrInvalid) {
		t.Errorf("an entry twice: error is %v", err)
	}
}

func TestAsynchronousRoundsThatBreakARuleAreRefused(t *testing.T) {
	valid := func() *Round {
		return &Round{
			Number: 3, Participants: []int{4, 1, 4}, Arrivals: []Arrival{{2, 4}, {0, 1}, {1, 4}}, Weights: []uint64{1, 2, 3},
			StartModel: tensor.Hash{1}, Model: tensor.Hash{2},
		}
	}
	if mean, most := valid().Staleness(); mean != 1 || most != 2 {
		t.Errorf("a staleness of %g on average and %d at most, want 1 and 2", mean, most)
	}
	for field, spoil := range map[string]func(r *Round){
		"arrivals.round": func(r *Round) { r.Arrivals[1].Start = 3 },
		"arrivals.shard": func(r *Round) { r.Arrivals[1].Shard = -1 },
		"arrivals":       func(r *Round) { r.Arrivals[2].Start = 2 },
		"participants":   func(r *Round) { r.Participants = []int{1, 4, 4} },
		"invited":        func(r *Round) { r.Invited = []int{1, 4} },
		"weights":        func(r *Round) { r.Weights = r.Weights[:2] },
		"task_steps":     func(r *Round) { r.TaskSteps = []int{1, 1, 1} },
	} {
		r := valid()
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(r)
		if err := r.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "round."+field) {
			t.Errorf("%s: error is %v", field, err)
		}
	}
}
