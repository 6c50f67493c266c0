package spec

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// isAsynchronous tells whether the chosen rule makes rounds of whatever comes in first.
func isAsynchronous(server *pb.Server) bool {
	_, rule := ruleOf(server)
	_, is := rule.(localsgd.Asynchronous)
	return is
}

// fitAsynchronous notes what belongs to planned rounds, or to shards that remember something, beside a rule without either.
func (r *reader) fitAsynchronous(s *pb.Spec, rule localsgd.Asynchronous) {
	name := rule.Name()
	if shards := int(s.Shards.GetCount()); rule.Capacity() > shards {
		r.object(fmt.Sprintf("waits for %d updates, which %d shards may never have, expected at most shards.count", rule.Capacity(), shards),
			"server."+name+".buffer", "shards.count")
	}
	without := "does not go with " + name + ", "
	if s.Close.GetAll() == nil {
		r.object(without+"whose rounds close when the buffer is full", "close")
	}
	if s.Participation.GetOver() > 1 {
		r.object(without+"which invites nobody to a round", "participation.over")
	}
	if s.Participation.GetBy() == pb.DrawBy_DRAW_BY_EXAMPLES {
		r.object(without+"where every shard has its turn", "participation.by")
	}
	if s.Simulate != nil {
		r.object(without+"where the workers' own pace decides who comes first", "simulate")
	}
	keeps := without + "whose shards keep nothing between tasks"
	if s.Local.GetKeepState() {
		r.object(keeps, "local.keep_state")
	}
	if len(s.Local.GetPersonal()) > 0 {
		r.object(keeps, "local.personal")
	}
	if s.Local.GetFedbn() {
		r.object(keeps, "local.fedbn")
	}
}
