package coordinator

import (
	"cmp"
	"slices"
)

// Status returns what the coordinator does now.
func (c *Coordinator) Status() Status {
	st := Status{Up: c.traffic.up.Load(), Down: c.traffic.down.Load()}
	c.mu.Lock()
	for _, s := range c.sessions {
		st.Workers = append(st.Workers, WorkerStatus{
			Name: s.Hello.Name, Slots: s.Hello.Slots, Shards: s.serves, Build: s.Hello.Build, Since: s.Since,
		})
	}
	active := c.active
	c.mu.Unlock()
	slices.SortFunc(st.Workers, func(a, b WorkerStatus) int { return cmp.Compare(a.Name, b.Name) })
	if active != nil {
		st.Progress = active.progress.current.Load()
	}
	return st
}

// Build returns what Config.Build says.
func (c *Coordinator) Build() string { return c.cfg.Build }
