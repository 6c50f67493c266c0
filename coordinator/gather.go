package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/round"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// gather waits, in a run whose workers bring their own shards, until every shard was brought by a worker that is there, and
// so fixes the sizes. A run that was planned has them in its record, and any other run has nothing to wait for.
func (o *owner) gather(ctx context.Context) error {
	d, own := o.spec.Data.(spec.Workers)
	if !own || len(o.run.Parts) > 0 {
		return nil
	}
	net, err := workload.OwnNetwork(o.spec, d)
	if err != nil {
		return &failure{err.Error()}
	}
	o.run.Layout = net.Layout().Fingerprint()
	o.enter()
	defer func() { o.waiting = nil }()
	parts, missing := o.brought()
	for since := time.Now(); len(missing) > 0; {
		what := "no worker has brought " + shardList(missing)
		o.waiting = &wait{"waiting for workers: " + what, since, since.Add(o.spec.GiveUp)}
		o.say("gather", true)
		if time.Now().After(o.waiting.until) {
			return fmt.Errorf("%w: %s for %v", errGivenUp, what, o.spec.GiveUp)
		}
		if err := o.next(ctx, o.waiting.until); err != nil {
			return err
		}
		before := len(missing)
		if parts, missing = o.brought(); len(missing) != before {
			since = time.Now()
		}
	}
	o.run.Parts = parts
	o.log.Info("all shards are there", "shards", len(parts))
	return nil
}

// brought returns what the workers that are ready have brought, and the shards that none of them has.
func (o *owner) brought() (parts []shard.Part, missing []int) {
	parts = make([]shard.Part, o.spec.Shards.Count)
	for k := range parts {
		if p := o.holder(k); p != nil {
			parts[k] = p.parts[k]
		} else {
			missing = append(missing, k)
		}
	}
	return parts, missing
}

// holder returns a worker that is ready and has brought the shard, nil if there is none.
func (o *owner) holder(k int) *participant {
	for _, p := range o.workers {
		if _, has := p.parts[k]; has && p.state == ready {
			return p
		}
	}
	return nil
}

// adoptOwn compares the shards that a worker has brought with what is known of them: from the record, or from others.
func (o *owner) adoptOwn(p *participant, own []wire.OwnShard) error {
	if _, is := o.spec.Data.(spec.Workers); !is {
		return nil
	}
	if len(own) == 0 {
		return errors.New("the worker has brought no shards")
	}
	parts := make(map[int]shard.Part)
	var ranges []round.Range
	for _, s := range own {
		if s.Shard >= o.spec.Shards.Count || !p.session.serves.Contains(s.Shard) {
			return fmt.Errorf("the worker has brought shard %d: the run has %d, and it serves %v", s.Shard, o.spec.Shards.Count, p.session.serves)
		}
		if known, ok := o.known(s.Shard); ok {
			if err := known.Check(s.Part); err != nil {
				return fmt.Errorf("shard %d: %w", s.Shard, err)
			}
		}
		parts[s.Shard] = s.Part
		ranges = append(ranges, round.Range{First: s.Shard, Last: s.Shard})
	}
	serves, err := round.NewShardSet(ranges...)
	if err != nil {
		return err
	}
	p.parts, p.serves = parts, serves
	return nil
}

// known returns what a shard that is brought has to be.
func (o *owner) known(k int) (shard.Part, bool) {
	if len(o.run.Parts) > 0 {
		return o.run.Parts[k], true
	}
	if p := o.holder(k); p != nil {
		return p.parts[k], true
	}
	return shard.Part{}, false
}

// recorded lists what is fixed of the shards that a worker may bring.
func (o *owner) recorded(s *Session) (own []wire.OwnShard) {
	for k, part := range o.run.Parts {
		if s.serves.Contains(k) {
			own = append(own, wire.OwnShard{Shard: k, Part: part})
		}
	}
	return own
}

func sizesOf(parts []shard.Part) []int {
	sizes := make([]int, len(parts))
	for k, p := range parts {
		sizes[k] = p.Examples
	}
	return sizes
}

// maxListed bounds the shards that a sentence names.
const maxListed = 10

// shardList names shards, not too many.
func shardList(shards []int) string {
	names := make([]string, 0, maxListed)
	for _, k := range shards[:min(len(shards), maxListed)] {
		names = append(names, strconv.Itoa(k))
	}
	more := ""
	if n := len(shards) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	if len(shards) == 1 {
		return "shard " + names[0]
	}
	return "shards " + strings.Join(names, ", ") + more
}
