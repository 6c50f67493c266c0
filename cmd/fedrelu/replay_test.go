package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// forged stores a run whose first round claims to have left the model as it was.
func forged(t *testing.T) (dir string) {
	t.Helper()
	s, err := spec.Parse("forged", []byte("data: {synthetic: {gaussian: {train: 20, test: 5}}}\nmodel: {mlp: {}}\nshards: {count: 1}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		t.Fatal(err)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		t.Fatal(err)
	}
	block := job.Start()
	model := tensor.HashBlock(block)
	dir = t.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := record.Run{
		ID: "run0", Spec: s.Proto(), Status: record.Queued, Created: time.Unix(1, 0), Keep: record.Keep{Last: 2}, Numerics: localsgd.Numerics,
		Layout: job.Net.Layout().Fingerprint(), StartModel: model, Tensors: job.Net.Layout().Descs(),
	}
	weight := uint64(localsgd.Weights([]int{20}, localsgd.ByExamples)[0])
	rounds := []record.Round{
		{Model: model, Time: time.Unix(1, 0)},
		{Number: 1, Invited: []int{0}, Participants: []int{0}, Weights: []uint64{weight}, StartModel: model, Model: model, Time: time.Unix(2, 0)},
	}
	err = st.CreateRun(run)
	for _, r := range rounds {
		if err == nil {
			_, err = st.CommitRound(run.ID, r, block)
		}
	}
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A chain may be sound and yet not be what its spec gives: replay says where, and fails.
func TestReplayFailsAtADifference(t *testing.T) {
	dir := forged(t)
	var out, console bytes.Buffer
	root := newRoot(&app{stdout: &out, console: view.NewConsole(&console, nil)})
	root.SetArgs([]string{"replay", "run0", "--dir", dir, "--json"})
	err := root.Execute()
	var coded *codeError
	if !errors.As(err, &coded) || coded.code != exitFailed {
		t.Errorf("got %v, want exit code 1", err)
	}
	var d view.Replay
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Same || d.Rounds != 0 || d.Difference == nil || d.Difference.Round != 1 || d.Difference.What != "model_sha256" {
		t.Errorf("got %+v with %+v, want another model in round 1", d, d.Difference)
	}
}
