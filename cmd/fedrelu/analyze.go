package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/checkpoints"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

const analyzeLong = `Measure models in safetensors files, whoever trained them; a state_dict that PyTorch saved loads as it is.

Of every matrix, convolutions as out x (in kh kw): ranks at three thresholds, stable and effective rank, norms, singular
values. Of networks of linear layers: path norm, distance of square layers from the identity, and for one input the spline.
Of several files, which must have the same tensors: their distances, their mean with its ranks, and the averaging curve.

With --data, what they compute on its test set: loss, accuracy, dead units, entropy, and of several the loss barrier
between each two, agreement of gates, and the drift of gradients (on the first 1000 training examples). SPEC is a fedrelu
spec that names data and network, or mnist for MNIST and a network of linear layers with ReLUs as the tensors have them.`

// analyzing is a command line of analyze.
type analyzing struct {
	data, folder string
	set          []string
	epsilon      float64
	maxSide      int
	asJSON       bool
}

func newAnalyze(a *app) *cobra.Command {
	var c analyzing
	cmd := &cobra.Command{
		Use:   "analyze FILE...",
		Short: "Measure models in safetensors files, whoever trained them",
		Long:  analyzeLong,
		Example: `  fedrelu analyze model.safetensors
  fedrelu analyze before.safetensors after.safetensors --data mnist -o measured
  fedrelu analyze shard*.safetensors --data spec.yaml --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.analyze(cmd.Context(), &c, args) },
	}
	cmd.Flags().StringVar(&c.data, "data", "", "`SPEC` of data and network, or mnist")
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "`path=value` over a value of the spec of --data; may be repeated")
	cmd.Flags().Float64Var(&c.epsilon, "epsilon", analysis.Epsilons()[0], "threshold of the measurement rank, in (0, 1)")
	cmd.Flags().IntVar(&c.maxSide, "max-side", 4096, "leave out matrices whose smaller side is larger; 0: none")
	cmd.Flags().StringVarP(&c.folder, "output", "o", "", "write figures and measurements.csv to this `DIR`")
	jsonFlag(cmd, &c.asJSON)
	return cmd
}

func (a *app) analyze(ctx context.Context, c *analyzing, files []string) error {
	if !(c.epsilon > 0 && c.epsilon < 1) || c.maxSide < 0 {
		return usage("--epsilon %v, --max-side %d: want a threshold in (0, 1) and a side of at least 0", c.epsilon, c.maxSide)
	}
	models, err := checkpoints.Open(files)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	subject, err := c.subject(models[0])
	if err != nil {
		return err
	}
	report, err := checkpoints.Measure(ctx, models, subject, analysis.RankOptions{Epsilon: c.epsilon, MaxSide: c.maxSide})
	if err != nil {
		return err
	}
	document := view.NewAnalyze(report, c.epsilon)
	if c.folder != "" {
		if err := writeAnalysis(c.folder, document); err != nil {
			return err
		}
	}
	if c.asJSON {
		return view.WriteJSON(a.stdout, document)
	}
	return document.WriteTable(a.stdout)
}

// subject loads the data and the network of --data, nil without it.
func (c *analyzing) subject(model *checkpoints.Model) (*checkpoints.Subject, error) {
	if c.data == "" {
		if len(c.set) > 0 {
			return nil, usage("--set changes the spec of --data, which is missing")
		}
		return nil, nil
	}
	s, err := c.spec(model)
	if err != nil {
		return nil, err
	}
	data, err := workload.Load(s.Source(), "", shard.All)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	if data.Test == nil || data.Test.Len() == 0 {
		return nil, usage("--data %s: it has no test set", c.data)
	}
	job, err := workload.Job(s, data)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	subject, err := checkpoints.NewSubject(job, model.Layout, c.data == "mnist")
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return subject, nil
}

func (c *analyzing) spec(model *checkpoints.Model) (*spec.Spec, error) {
	if c.data != "mnist" {
		return localSpec(c.data, c.set)
	}
	s, err := checkpoints.MNISTSpec(model.Layout)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return s, nil
}

func writeAnalysis(folder string, d view.Analyze) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the folder of the results: %w", err)
	}
	files := claimFiles{folder: folder}
	files.write("measurements.csv", func(w io.Writer) error { return view.WriteCSV(w, d.CSV()) })
	files.write("analysis.json", func(w io.Writer) error { return view.WriteJSON(w, d) })
	for _, f := range d.Figures() {
		files.write(f.Name+".svg", f.Figure.SVG)
	}
	return files.err
}
