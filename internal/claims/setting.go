package claims

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// Setting is a spec ready to train in this process.
type Setting struct {
	Spec      *spec.Spec
	Job       *localsgd.Job
	Algorithm localsgd.Algorithm
}

// Spec returns the spec of a claim: its file, with the user's changes, and over them those of the analysis, which are
// path=value as on the command line.
func (l *Lab) Spec(id string, changes ...string) (*spec.Spec, error) {
	name := id + ".yaml"
	data, err := fs.ReadFile(l.Specs, name)
	if err != nil {
		return nil, fmt.Errorf("reading the spec of %s: %w", id, err)
	}
	return spec.Parse(name, data, append(slices.Clone(l.Set), changes...))
}

// Setting returns the spec of a claim with its job. Data are loaded once for all specs that share them; relative paths are
// taken from the working directory.
func (l *Lab) Setting(id string, changes ...string) (*Setting, error) {
	s, err := l.Spec(id, changes...)
	if err != nil {
		return nil, err
	}
	data, err := l.load(s.Source())
	if err != nil {
		return nil, fmt.Errorf("loading the data of %s: %w", id, err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		return nil, fmt.Errorf("building the job of %s: %w", id, err)
	}
	if s.Model.File != "" {
		job.Given = make([]float32, job.Net.Parameters())
		if err := workload.ReadStart(s.Model.File, job.Net.Layout(), job.Given); err != nil {
			return nil, err
		}
	}
	return &Setting{Spec: s, Job: job, Algorithm: workload.Algorithm(s)}, nil
}

func (l *Lab) load(source spec.Source) (shard.Data, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if data, ok := l.data[source]; ok {
		return data, nil
	}
	data, err := workload.Load(source, "", shard.All)
	if err != nil {
		return shard.Data{}, err
	}
	if l.data == nil {
		l.data = map[spec.Source]shard.Data{}
	}
	l.data[source] = data
	return data, nil
}

// Runner returns a new in-process runner of the setting.
func (s *Setting) Runner() *localsgd.Runner {
	return &localsgd.Runner{Job: s.Job, Algorithm: s.Algorithm}
}

// Runner64 is Runner in float64 from the start model on.
func (s *Setting) Runner64() *localsgd.RunnerIn[float64] {
	return &localsgd.RunnerIn[float64]{Job: s.Job, Algorithm: s.Algorithm}
}
