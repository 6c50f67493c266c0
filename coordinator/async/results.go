package async

import (
	"fmt"
	"slices"

	"github.com/fedrelu/fedrelu/coordinator/round"
)

func (e Trained) apply(m *Machine) {
	w := m.member(e.ID)
	if w == nil {
		return
	}
	m.hear(w)
	if r := m.find(e.ID, e.Task); r != nil {
		r.trained = true
		return
	}
	if !slices.Contains(m.counted, e.Task) { // else its push was faster
		m.claim(w, e.Task)
	}
}

func (e Holds) apply(m *Machine) {
	if w := m.member(e.ID); w != nil {
		m.claim(w, e.Task)
	}
}

// claim makes a result that a worker has from an earlier session its task, or makes it abandon it.
func (m *Machine) claim(w *member, t Task) {
	if m.old(t) && !m.done.of[t] {
		m.discard(w, t)
		return
	}
	if why := m.unclaimable(w, t); why != "" {
		m.say(Abandon{w.ID, t, why})
		return
	}
	if r := m.running[t]; r != nil && r.holder != w {
		m.remove(r)
		m.say(Abandon{r.holder.ID, t, "worker " + w.Name + " has come back with the result"})
	} else if r != nil {
		m.remove(r)
	}
	m.begin(w, t, true)
	m.say(Expect{w.ID, t})
}

// unclaimable says why a worker cannot be the one who answers a task, empty if it can.
func (m *Machine) unclaimable(w *member, t Task) string {
	switch r := m.running[t]; {
	case m.done.of[t]:
		return "it counts already"
	case m.age(t) < 0:
		return "there is no such model any more"
	case m.only && !slices.Contains(m.candidates, t):
		return "the round is made again without it"
	case !w.Serves.Contains(t.Shard):
		return "worker " + w.Name + " does not serve it"
	case r != nil && r.holder != w && r.trained:
		return "worker " + r.holder.Name + " has trained it already"
	}
	return ""
}

func (e Refused) apply(m *Machine) {
	r := m.find(e.ID, e.Task)
	if r == nil {
		return
	}
	w := r.holder
	m.hear(w)
	f := m.refused[e.Task.Shard]
	f.count++
	if !slices.Contains(f.from, w.Name) {
		f.from = append(f.from, w.Name)
	}
	m.refused[e.Task.Shard] = f
	m.free(r, "refused from worker "+w.Name+": "+e.Why)
	if f.count >= MaxRefusals {
		m.end(Fail{fmt.Sprintf("shard %d was refused %d times in a row, the last time from worker %s: %s", e.Task.Shard, f.count, w.Name, e.Why)})
	}
}

func (e Dropped) apply(m *Machine) {
	if r := m.find(e.ID, e.Task); r != nil {
		m.free(r, "worker "+r.holder.Name+" dropped it: "+e.Why)
	}
}

func (e Diverged) apply(m *Machine) {
	if m.done.of[e.Task] || m.age(e.Task) < 0 || m.old(e.Task) {
		return
	}
	if m.plan.OnDivergence == round.FailRun || m.only {
		m.end(Fail{fmt.Sprintf("%v: the task diverged at local step %d: %s; it would end so on every worker: lower the learning rate, "+
			"clip the gradient, or let rounds go on without such tasks", e.Task, e.Step, e.Detail)})
		return
	}
	m.hear(m.member(e.ID))
	if r := m.running[e.Task]; r != nil {
		m.remove(r)
		if r.holder.ID != e.ID {
			m.say(Abandon{r.holder.ID, e.Task, "it is left out: it diverged"})
		}
	}
	m.done.add(e.Task)
	m.say(LeftOut{e.Task, e.Step, e.Detail})
}
