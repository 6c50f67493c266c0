package async

import "slices"

// assign hands out candidates, one to each worker with a free slot at a time, so that tasks are spread over all of them.
func (m *Machine) assign() {
	batches := make(map[*member][]Task)
	for given := true; given; {
		given = false
		for _, w := range m.members {
			if len(w.tasks) >= w.Slots || len(m.running) >= m.plan.Tasks {
				continue
			}
			if t, ok := m.pick(w); ok {
				m.begin(w, t, false)
				batches[w] = append(batches[w], t)
				given = true
			}
		}
	}
	for _, w := range m.members {
		m.tell(w, batches[w])
	}
}

// tell says which tasks a worker gets: one action for each version.
func (m *Machine) tell(w *member, tasks []Task) {
	slices.SortFunc(tasks, Task.Compare)
	for len(tasks) > 0 {
		a := Assign{ID: w.ID, Version: tasks[0].Version}
		for len(tasks) > 0 && tasks[0].Version == a.Version {
			a.Shards = append(a.Shards, tasks[0].Shard)
			tasks = tasks[1:]
		}
		m.say(a)
	}
}

// pick returns the first candidate that w can begin. What was refused from it, or anything once it was too silent, comes to it
// only where no other worker can be tried.
func (m *Machine) pick(w *member) (Task, bool) {
	for _, t := range m.candidates {
		if m.mayBegin(t) && w.Serves.Contains(t.Shard) && (m.prefers(w, t.Shard) || !m.others(w, t.Shard)) {
			return t, true
		}
	}
	return Task{}, false
}

// mayBegin tells whether a candidate is neither done nor under way. Those of a round that is made again are all needed, of
// other rounds one for each shard.
func (m *Machine) mayBegin(t Task) bool {
	if m.done.of[t] || m.running[t] != nil {
		return false
	}
	return m.only || m.busy[t.Shard] == 0
}
