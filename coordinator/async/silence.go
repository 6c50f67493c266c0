package async

import (
	"fmt"
	"slices"
)

// reclaim frees the tasks of workers that have finished nothing for too long, as far as others can be tried.
func (m *Machine) reclaim() {
	limit := m.plan.TaskLimit
	if limit == 0 {
		return
	}
	for _, w := range m.members {
		if len(w.tasks) == 0 || m.clock-w.heard < limit {
			continue
		}
		silent := m.clock - w.heard
		w.heard = m.clock // it is looked at again after another limit
		for _, t := range slices.Clone(w.tasks) {
			if m.others(w, t.Shard) {
				w.mute = true
				m.say(Abandon{w.ID, t.Task, "another worker tries"})
				m.free(t, fmt.Sprintf("worker %s has finished nothing for %v", w.Name, silent))
			}
		}
	}
}
