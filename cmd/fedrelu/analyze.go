package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/checkpoints"
	"github.com/fedrelu/fedrelu/internal/workload"
	"github.com/fedrelu/fedrelu/localsgd/shard"
	"github.com/fedrelu/fedrelu/proto/spec"
)

const analyzeLong = `Measure models in safetensors files, whoever trained them; a state_dict that PyTorch saved loads as it is.

Of every matrix, convolutions as out x (in kh kw): ranks at three thresholds, stable and effective rank, energies, norms,
singular values. Of networks of linear layers: path norm, distance of square layers from the identity, and for one input the
spline. Of several files, which must have the same tensors: distances, movement from file to file (each counts as a round, for
dist as an epoch, after the one before), and their mean with its ranks and the averaging curve. With --start, the updates from there.

With --data, what they compute: loss, accuracy, dead units, entropy, movement of states; the gradient, its spread over batches
and its noise scale, heterogeneity of the spec's shards; columns of inputs that are always zero; for one input the exact optimum
of loss + regularize.path_norm x path norm. Of several: loss barriers, gates that flip, drift of gradients by layer. Test losses are
of the whole test set, activity and barriers of its first 1000 examples, gradients and gates of the first 1000 for training.
What needs training and not models (noise of steps, the saw-tooth, certificates, the null model) a run measures: see checks.

DATA is one of
  a spec        a file with data and model, and with shards, batch and penalty where they matter
  mnist         the MNIST that is embedded
  {...}         what a spec has behind data:, as '{csv: {train: a.csv, test: b.csv, label: y}}'
With the last two the network is that of linear layers with ReLUs between them that the tensors are. A file does not say which
activations it was trained with: --set 'model.mlp.activation={leaky_relu: {slope: 0.1}}' does; anything else but linear layers
needs a spec with model: layers:. Nor does it say in which order its layers come: they are taken by name, fc2 before fc10, unless
--layers says otherwise. Inputs have to be scaled as in training.

Quantities have the names of the long table of a run (fedrelu export --table), so that both can be compared.`

const analyzeExample = `  fedrelu analyze model.safetensors
  fedrelu analyze before.safetensors after.safetensors --data mnist -o measured
  fedrelu analyze shard*.safetensors --data spec.yaml --start start.safetensors --align --json

  # In Python: safetensors.torch.save_file(model.state_dict(), "mlp.safetensors"), for an MLP that was trained on numpy arrays,
  # which numpy.savez("train.npz", x=x, y=y) writes; in forward it calls enter, ReLU, middle, ReLU, leave.
  fedrelu analyze mlp.safetensors --data '{npz: {train: train.npz, test: test.npz}}' --layers enter,middle,leave --batch 64`

// analyzing is a command line of analyze.
type analyzing struct {
	data, folder string
	start        string
	set, layers  []string
	batch        int
	align        bool
	epsilon      float64
	maxSide      int
	asJSON       bool
}

func newAnalyze(a *app) *cobra.Command {
	var c analyzing
	cmd := &cobra.Command{
		Use:     "analyze FILE...",
		Short:   "Measure models in safetensors files, whoever trained them",
		Long:    analyzeLong,
		Example: analyzeExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.analyze(cmd.Context(), &c, args) },
	}
	cmd.Flags().StringVar(&c.data, "data", "", "what the models compute on: a spec, mnist, or the `DATA` of a spec as {csv: {...}}")
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "`path=value` over a value of the spec of --data; may be repeated")
	cmd.Flags().StringSliceVar(&c.layers, "layers", nil, "`NAMES` of all layers in the order of the network, as enter,middle,leave")
	cmd.Flags().StringVar(&c.start, "start", "", "the `FILE` that all models began from")
	cmd.Flags().IntVar(&c.batch, "batch", 0, "measure the noise of gradients of so many examples; 0: local.batch of the spec")
	cmd.Flags().BoolVar(&c.align, "align", false, "measure barriers also after bringing hidden units into the best order")
	cmd.Flags().Float64Var(&c.epsilon, "epsilon", analysis.Epsilons()[0], "threshold of the measurement rank, in (0, 1)")
	cmd.Flags().IntVar(&c.maxSide, "max-side", 4096, "leave out matrices whose smaller side is larger; 0: none")
	cmd.Flags().StringVarP(&c.folder, "output", "o", "", "write figures, measurements.csv, analysis.json and spectra.npz to this `DIR`")
	jsonFlag(cmd, &c.asJSON)
	return cmd
}

func (a *app) analyze(ctx context.Context, c *analyzing, files []string) error {
	if !(c.epsilon > 0 && c.epsilon < 1) || c.maxSide < 0 || c.batch < 0 {
		return usage("--epsilon %v, --max-side %d, --batch %d: want a threshold in (0, 1), the others at least 0", c.epsilon, c.maxSide, c.batch)
	}
	models, start, err := c.open(files)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	subject, err := c.subject(models[0])
	if err != nil {
		return err
	}
	ranks := analysis.RankOptions{Epsilon: c.epsilon, MaxSide: c.maxSide}
	report, err := checkpoints.Measure(ctx, models, subject, checkpoints.Options{Ranks: ranks, Align: c.align, Start: start})
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

// open reads the models, and the one of --start, nil without it.
func (c *analyzing) open(files []string) ([]*checkpoints.Model, *checkpoints.Model, error) {
	models, err := checkpoints.Open(files, c.layers)
	if err != nil || c.start == "" {
		return models, nil, err
	}
	start, err := checkpoints.Open([]string{c.start}, c.layers)
	if err != nil {
		return nil, nil, err
	}
	return models, start[0], checkpoints.SameTensors(models[0], start[0])
}

// subject loads the data and the network of --data, nil without it.
func (c *analyzing) subject(model *checkpoints.Model) (*checkpoints.Subject, error) {
	if c.data == "" {
		if len(c.set) > 0 || c.batch > 0 || c.align {
			return nil, usage("--set, --batch and --align are about what models compute on data: --data is missing")
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
	if c.derives() {
		if s, err = c.fit(model, data); err != nil {
			return nil, err
		}
	}
	job, err := workload.Job(s, data)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	subject, err := checkpoints.NewSubject(job, model.Layout)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	if c.derives() {
		subject.Notes = append(subject.Notes, "a file does not name its activations: relu is taken unless --set "+checkpoints.DerivedActivation(model.Layout)+" says otherwise")
	}
	return subject, nil
}

// derives tells whether --data has no network, so that it is derived from the tensors.
func (c *analyzing) derives() bool { return c.data == "mnist" || strings.HasPrefix(c.data, "{") }

// fit is the derived spec for data that are known now: where nothing is to be classified, the loss is mse.
func (c *analyzing) fit(model *checkpoints.Model, data shard.Data) (*spec.Spec, error) {
	if err := checkpoints.CheckDerived(model.Layout, data.Train.Size(), data.Train.Outputs); err != nil {
		return nil, usage("--data %s: %w", c.data, err)
	}
	if data.Train.Classes == 0 {
		return c.spec(model, "loss=mse")
	}
	return c.spec(model)
}

// spec returns the spec of --data, with overrides before those of --set.
func (c *analyzing) spec(model *checkpoints.Model, before ...string) (*spec.Spec, error) {
	set := append(before, c.set...)
	if c.batch > 0 {
		set = append(set, fmt.Sprintf("local.batch=%d", c.batch))
	}
	if !c.derives() {
		if form := strings.TrimPrefix(filepath.Ext(c.data), "."); slices.Contains([]string{"csv", "npz", "safetensors"}, form) {
			return nil, usage("--data %s: it is no spec, but data for one: --data '{%s: {train: %s, test: ...%s}}'", c.data, form, c.data, labelOf(form))
		}
		return localSpec(c.data, set)
	}
	data := c.data
	if data == "mnist" {
		data = "{mnist: {}}"
	}
	s, err := checkpoints.DeriveSpec(model.Layout, data, set)
	if err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("--data %s: %w", c.data, err)}
	}
	return s, nil
}

// labelOf is what a spec says of the labels in a file.
func labelOf(form string) string {
	if form == "csv" {
		return ", label: ..."
	}
	return ""
}

func writeAnalysis(folder string, d view.Analyze) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the folder of the results: %w", err)
	}
	files := claimFiles{folder: folder}
	files.write("measurements.csv", func(w io.Writer) error { return view.WriteCSV(w, d.CSV()) })
	files.write("spectra.npz", d.WriteSpectra)
	files.write("analysis.json", func(w io.Writer) error { return view.WriteJSON(w, d) })
	for _, f := range d.Figures() {
		files.write(f.Name+".svg", f.Figure.SVG)
	}
	return files.err
}
