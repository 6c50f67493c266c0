package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fedrelu/fedrelu/internal/kernel"
)

const rootLong = `fedrelu is a reproducible laboratory for Local SGD: a coordinator runs FedAvg rounds across
worker processes that train ReLU networks, to the same bits from the same seed, and measures
gradient drift and low-rank bias beside the training.

Where a RUN is named, its id, a unique prefix of it, or its unique name will do.

The environment variable FEDRELU_KERNEL=portable|avx2|avx512|neon forces how matrices are multiplied, which changes no
result; without it, the best one that the processor has is taken.

Exit codes: 0 completed, 1 failed or cancelled, 2 wrong usage or spec, 130 stopped (can go on).`

// newRoot returns the whole tree of commands.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "fedrelu",
		Short:         "A reproducible laboratory for Local SGD",
		Long:          rootLong,
		Example:       "  fedrelu run examples/mnist.yaml",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return forceKernel(os.Getenv("FEDRELU_KERNEL"))
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(newRun(a), newCoordinator(a), newWorker(a), newSubmit(a), newRuns(a), newExport(a), newShards(a), newCheck(a), newReproduce(a), newAnalyze(a),
		newVerify(a), newReplay(a), newHealth(a), newVersion(a), newBench(a), newWorkerProcess(a))
	root.SetFlagErrorFunc(flagError)
	a.noteBegin(root)
	return root
}

// forceKernel takes the kernel of this name; without a name, nothing changes.
func forceKernel(name string) error {
	if name == "" {
		return nil
	}
	if err := kernel.Use(name); err != nil {
		return fmt.Errorf("environment variable FEDRELU_KERNEL: %w", err)
	}
	return nil
}

// noteBegin lets every command note that it has begun, which is when cobra has nothing to object to the command line.
func (a *app) noteBegin(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.begun = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.noteBegin(sub)
	}
}

// flagError adds what may have been meant to the error about an unknown flag.
func flagError(cmd *cobra.Command, err error) error {
	name, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !found {
		return err
	}
	best, bestDistance := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d < bestDistance || strings.HasPrefix(f.Name, name) && best == "" {
			best, bestDistance = f.Name, min(d, bestDistance)
		}
	})
	if best == "" {
		return err
	}
	return fmt.Errorf("%w\n\nDid you mean this?\n\t--%s", err, best)
}

// distance is how many letters have to be put in, taken out or exchanged to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// exactly wants so many arguments, and names them in its error.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", strings.Join(names[len(args):], " and "))
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print one JSON document on stdout and nothing else")
}
