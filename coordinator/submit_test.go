package coordinator

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
	"github.com/fedrelu/fedrelu/proto/spec"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// startFile writes a model of the spec's network to a file, with the layout's names but for those that rename has.
func startFile(t *testing.T, job *localsgd.Job, path string, rename map[string]string) []float32 {
	t.Helper()
	block := make([]float32, job.Net.Parameters())
	s := keyed.New(9, "start")
	for i := range block {
		block[i] = float32(0.1 * s.Normal())
	}
	var tensors []safetensors.Tensor
	for i := range job.Net.Layout().Len() {
		v := job.Net.Layout().At(i)
		name := v.Name
		if other := rename[name]; other != "" {
			name = other
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, Shape: v.Shape, Values: tensor.Of(block, v)})
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(safetensors.Write(f, tensors, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return block
}

// fromFile is the spec of a run that starts from start.safetensors.
func fromFile(t *testing.T, rounds int) *spec.Spec {
	t.Helper()
	s := parse(t, rounds, "keep: {last: 1}")
	s.Model.Init, s.Model.File = nil, "start.safetensors"
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// A run starts from the model in its file, is the run of a Runner that starts there, and needs the file no more once it is
// submitted: not after a restart, and not when round 0 is not kept any more and every kept model is damaged.
func TestARunFromAFileNeedsTheFileOnce(t *testing.T) {
	const all = 9
	s := fromFile(t, all)
	dir, data := t.TempDir(), t.TempDir()
	job := jobOf(t, s)
	job.Given = startFile(t, job, filepath.Join(data, "start.safetensors"), nil)
	hashes := []tensor.Hash{tensor.HashBlock(job.Given)}
	r := &localsgd.Runner{Job: job, Algorithm: workload.Algorithm(s)}
	if _, err := r.Run(context.Background(), all, func(_ localsgd.RoundFacts, m []float32) error {
		hashes = append(hashes, tensor.HashBlock(m))
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	b := start(t, Config{Dir: dir, Data: data})
	id := b.submit(s)
	b.end()
	if err := os.Remove(filepath.Join(data, "start.safetensors")); err != nil {
		t.Fatal(err)
	}
	for number := 1; number < 4; number++ {
		b = start(t, Config{Dir: dir, Resume: true})
		b.join("a", s, nil)
		b.until(id, number)
		b.end()
	}
	damageKept(t, dir, id)
	b = start(t, Config{Dir: dir, Resume: true})
	b.join("a", s, nil)
	run, rounds := b.wait(id)
	if run.Status != record.Completed || run.StartModel != hashes[0] {
		t.Fatalf("%v: %s, from %v", run.Status, run.Reason, run.StartModel)
	}
	checkModels(t, rounds, hashes)
	b.end()
	if report, err := store.Verify(dir); err != nil || !report.OK() {
		t.Errorf("verify: %v %v", err, report)
	}
}

// damageKept damages every model that a round of the run refers to.
func damageKept(t *testing.T, dir, id string) {
	t.Helper()
	st, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := st.Models(id)
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	for _, m := range kept {
		if m.Round == 0 {
			t.Error("round 0 is kept: this is no test of the submitted model")
		}
		damageModel(t, dir, m.Hash)
	}
}

func TestAModelThatDoesNotFitFailsItsRun(t *testing.T) {
	s := fromFile(t, 1)
	data := t.TempDir()
	startFile(t, jobOf(t, s), filepath.Join(data, "start.safetensors"), map[string]string{"2.bias": "fc.bias"})
	b := start(t, Config{Data: data})
	run, _ := b.wait(b.submit(s))
	if run.Status != record.Failed || !strings.Contains(run.Reason, `"2.bias" of shape [10] is missing`) || !strings.Contains(run.Reason, "start.safetensors") {
		t.Errorf("%v: %s", run.Status, run.Reason)
	}
	if _, err := b.Submit(s); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(data, "start.safetensors"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Submit(s); !errors.Is(err, safetensors.ErrFormat) {
		t.Errorf("no model at all: %v", err)
	}
}

func TestSubmissionsThatBreakOffLeaveNothing(t *testing.T) {
	s := fromFile(t, 1)
	b := start(t, Config{})
	model := wire.Start{Model: tensor.Hash{1}, Tensors: []tensor.Desc{{Name: "0.weight", Shape: []int{5}}}}
	broken := errors.New("broken off")
	for name, c := range map[string]struct {
		spec *spec.Spec
		body func(io.Writer) error
		want error
	}{
		"broken off":    {s, func(w io.Writer) error { _, _ = w.Write(make([]byte, 8)); return broken }, broken},
		"other hash":    {s, func(w io.Writer) error { _, err := w.Write(make([]byte, 20)); return err }, store.ErrOtherModel},
		"too long":      {s, func(w io.Writer) error { _, err := w.Write(make([]byte, 24)); return err }, store.ErrOtherModel},
		"no file named": {parse(t, 1, ""), nil, workload.ErrStart},
	} {
		if id, err := b.SubmitFrom(c.spec, model, c.body); !errors.Is(err, c.want) || id != "" {
			t.Errorf("%s: %q, %v; want %v", name, id, err, c.want)
		}
	}
	if runs, err := b.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("there are runs: %v (%v)", runs, err)
	}
}
