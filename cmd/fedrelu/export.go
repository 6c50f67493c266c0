package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/internal/safetensors"
)

const exportLong = `Write the model of a round as a safetensors file, with the names and shapes of a PyTorch state_dict of the same
network (linear weights are [out, in]). Only models that the spec's keep rule kept can be had. The file appears under its
name when it is complete and its values have the recorded hash.

With --table write everything that was measured, accuracy and losses too, as one long table in CSV: run, seed, round, step,
shard, layer, quantity, value, model. step is empty for numbers of a whole round, shard for the average model and for numbers
over shards, layer for the whole model. model says which average model a number is of, or compares with: mean (of the local
models), next (what the round made), measured (the mean of the measured ones alone).

With --spectra write singular values as a .npz file with arrays "ROUND/LAYER", "ROUND/shardK/LAYER" of local models where
checks.local_ranks was due, too, and "ROUND/mean/LAYER" of their mean where the round's model is another.`

func newExport(a *app) *cobra.Command {
	var w where
	var round int
	var output string
	var asJSON, table, spectra bool
	cmd := &cobra.Command{
		Use:   "export RUN -o FILE",
		Short: "Write a model, or everything that was measured, as a file",
		Long:  exportLong,
		Example: `  fedrelu export mnist-2nn -o model.safetensors
  fedrelu export mnist-2nn --round 40 --coordinator localhost:7070 -o round40.safetensors
  fedrelu export mnist-2nn --table -o run.csv
  fedrelu export mnist-2nn --spectra -o spectra.npz`,
		Args: exactly("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var wanted *int
			if cmd.Flags().Changed("round") {
				wanted = &round
			}
			if round < 0 {
				return usage("--round %s: want a round, from 0", strconv.Itoa(round))
			}
			return w.in(func(place archive) error {
				if table || spectra {
					return measuredExport{run: args[0], path: output, spectra: spectra, jsonOut: asJSON}.write(cmd.Context(), a, place)
				}
				header, err := exportTo(cmd.Context(), place, args[0], wanted, output)
				if err != nil {
					return err
				}
				document := view.NewExport(header, output)
				if asJSON {
					return view.WriteJSON(a.stdout, document)
				}
				return document.WriteText(a.stdout)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&round, "round", 0, "`round` of the model (default: the last one)")
	cmd.Flags().BoolVar(&table, "table", false, "write everything that was measured as one long table (CSV)")
	cmd.Flags().BoolVar(&spectra, "spectra", false, "write the singular values that are kept (checks.rank.spectra) as a NumPy .npz file")
	cmd.MarkFlagsMutuallyExclusive("table", "spectra", "round")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (required)")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err) // there is no such flag
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// exportTo writes a model.
func exportTo(ctx context.Context, from archive, run string, round *int, path string) (h control.Header, err error) {
	err = writeFile(path, func(out *bufio.Writer) error {
		return from.Export(ctx, run, round, func(header control.Header) (io.Writer, error) {
			h = header
			return out, writeHeader(out, header)
		})
	})
	return h, err
}

// writeFile writes a file under another name first.
func writeFile(path string, write func(*bufio.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // again, maybe
			_ = os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriterSize(f, 1<<20)
	if err = write(out); err != nil {
		return err
	}
	if err = finishFile(f, out, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// writeHeader writes what a safetensors file of the model begins with: its tensors stand there as they do in the block.
func writeHeader(w io.Writer, h control.Header) error {
	tensors := make([]safetensors.Info, len(h.Tensors))
	for i, t := range h.Tensors {
		tensors[i] = safetensors.Info{Name: t.Name, DType: safetensors.F32, Shape: t.Shape}
	}
	// Nothing of the run itself: equal models of equal rounds are equal files.
	metadata := map[string]string{"format": "pt", "round": strconv.Itoa(h.Round), "model_sha256": h.Model.String()}
	if err := safetensors.WriteHeader(w, tensors, metadata); err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	return nil
}

// finishFile makes the file durable and gives it its name.
func finishFile(f *os.File, out *bufio.Writer, path string) error {
	return firstError(
		out.Flush,
		func() error { return f.Chmod(0o644) }, // a temporary file is for its owner alone
		f.Sync,
		f.Close,
		func() error { return os.Rename(f.Name(), path) },
	)
}

// firstError does one thing after the other, up to the first that fails.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
