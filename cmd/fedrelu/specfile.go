package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// maxSpecFile bounds what is read of a spec file; package spec has the real limit.
const maxSpecFile = 16 << 20

// specFlags adds --set.
func specFlags(cmd *cobra.Command, set *[]string) {
	cmd.Flags().StringArrayVar(set, "set", nil, "`path=value` over a value of the spec, as in local.batch=20; may be repeated")
}

// readSpec reads a spec file with overrides. All of its errors are about the command line or the spec.
func readSpec(path string, set []string) (*spec.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("reading the spec: %w", err)}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSpecFile))
	if err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("reading the spec: %w", err)}
	}
	return spec.Parse(path, data, set)
}

// warn says once what a spec asks for and may not mean.
func (a *app) warn(s *spec.Spec) {
	for _, warning := range s.Warnings() {
		a.console.Printf("warning: %s", warning)
	}
}

// localSpec reads a spec file whose data and start model are on this machine: their paths, which are relative to the file,
// become absolute.
func localSpec(path string, set []string) (*spec.Spec, error) {
	s, err := readSpec(path, set)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("finding the folder of %s: %w", path, err)
	}
	s.Under(folder)
	return s, nil
}

// checkJob builds the job of a local spec and looks whether its start model fits.
func checkJob(s *spec.Spec, data shard.Data) error {
	job, err := workload.Job(s, data)
	if err != nil || s.Model.File == "" {
		return err
	}
	m, err := workload.OpenStart(s.Model.File)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := workload.FitStart(m.Tensors, job.Net.Layout()); err != nil {
		return fmt.Errorf("model.init.file: %s: %w", s.Model.File, err)
	}
	return nil
}

// checkWorkload opens the data of a local spec and builds what a coordinator and its workers will build, so that whatever
// is wrong with data, partition or network is said before anything is started. What is loaded is dropped again.
func checkWorkload(s *spec.Spec) error {
	need := shard.All
	if _, embedded := s.Data.(spec.MNIST); embedded {
		need = shard.TrainY | shard.Testing // the training images are known to be sound
	}
	data, err := workload.Load(s.Source(), "", need)
	if err == nil {
		err = checkJob(s, data)
	}
	debug.FreeOSMemory()
	if err != nil && !errors.Is(err, spec.ErrInvalid) {
		return &codeError{exitUsage, err}
	}
	return err
}
