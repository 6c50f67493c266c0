package coordinator

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// Submit queues a run of the spec and returns its id. The run is durable when Submit returns. A start model that the spec
// names is read here, relative paths taken from Config.Data, and kept with the run. The error wraps spec.ErrInvalid for a
// spec that this coordinator may not run, and workload.ErrStart for a file that is no model.
func (c *Coordinator) Submit(s *spec.Spec) (string, error) {
	if s.Model.File == "" {
		if err := c.mayRun(s); err != nil {
			return "", err
		}
		return c.queue(s, c.newRun(s), c.store.CreateRun)
	}
	path := s.Model.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.cfg.Data, path)
	}
	m, err := workload.OpenStart(path)
	if err != nil {
		return "", err
	}
	defer m.Close()
	return c.SubmitFrom(s, wire.Start{Model: m.Hash, Tensors: m.Tensors}, m.Copy)
}

// SubmitFrom is Submit with the model that the spec's file holds, whose values body writes. Whether it fits the network is
// known when the run begins, from the data.
func (c *Coordinator) SubmitFrom(s *spec.Spec, start wire.Start, body func(io.Writer) error) (string, error) {
	layout, err := tensor.NewLayout(start.Tensors)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", workload.ErrStart, err)
	case s.Model.File == "":
		return "", fmt.Errorf("%w: the spec's model.init names no file", workload.ErrStart)
	}
	if err := c.mayRun(s); err != nil {
		return "", err
	}
	run := c.newRun(s)
	run.StartModel, run.StartGiven, run.Tensors = start.Model, true, start.Tensors
	incoming, err := c.store.Receive(run.ID, start.Model, layout.Size())
	if err != nil {
		return "", err
	}
	err = body(incoming)
	id := ""
	if err == nil {
		id, err = c.queue(s, run, func(r record.Run) error { return c.store.CreateRunFrom(r, incoming) })
	}
	// Whatever cannot be removed now is at the next start.
	if discarded := incoming.Discard(); discarded != nil {
		c.log.Warn("a start model that was not taken stays for now", "run", run.ID, "why", discarded)
	}
	return id, err
}

// mayRun returns an error for what is left to local runs.
func (c *Coordinator) mayRun(s *spec.Spec) error {
	if c.cfg.Local {
		return nil
	}
	return s.CheckRemote()
}

func (c *Coordinator) newRun(s *spec.Spec) record.Run {
	return record.Run{
		ID: newID(time.Now()), Name: s.Name, Spec: s.Proto(), SpecYAML: s.YAML(), Created: time.Now(), Status: record.Queued,
		Build: c.cfg.Build, Numerics: localsgd.Numerics, Keep: keep(s),
	}
}

// queue makes a run durable and wakes whoever waits for one.
func (c *Coordinator) queue(s *spec.Spec, run record.Run, create func(record.Run) error) (string, error) {
	if err := create(run); err != nil {
		return "", fmt.Errorf("queueing a run: %w", err)
	}
	c.wakeQueue()
	c.log.Info("run queued", "run", run.ID, "name", run.Name)
	for _, warning := range s.Warnings() {
		c.log.Info("the spec may not mean this", "run", run.ID, "warning", warning)
	}
	return run.ID, nil
}
