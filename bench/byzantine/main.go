// Command byzantine measures what attacking shards do to rules: the test accuracy of examples/byzantine.yaml, or another spec, under
// every rule that resists attacks, and under fedavg, for every attack and for none.
//
// Rules. Runs are those of localsgd.Runner in this process, one after the other, so that a table is a function of the spec and the
// seeds. Rules are told how many shards may attack (krum's f, the part that the trimmed mean drops) and nothing else. The numbers go
// to FILE.csv, a line a run, and their means to FILE.svg.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "byzantine:", err)
		os.Exit(1)
	}
}

// run does what the flags say, and tells progress what comes out.
func run(ctx context.Context, args []string, progress io.Writer) error {
	flags := flag.NewFlagSet("byzantine", flag.ContinueOnError)
	flags.SetOutput(progress)
	output := flags.String("o", "byzantine.svg", "the figure, `FILE.svg`; the numbers go to FILE.csv")
	path := flags.String("spec", "examples/byzantine.yaml", "the `SPEC`; its server, clip_update and attack are changed")
	seeds := flags.Int("seeds", 3, "how many runs, seed 1 and on, each cell has")
	rounds := flags.Int("rounds", 0, "rounds of a run; 0: those of the spec")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("%q: want flags only", flags.Args())
	case !strings.HasSuffix(*output, ".svg"):
		return fmt.Errorf("-o %s: want a name that ends in .svg", *output)
	case *seeds < 1 || *rounds < 0:
		return fmt.Errorf("-seeds %d -rounds %d: want at least 1 and 0", *seeds, *rounds)
	}
	e, err := newExperiment(*path, *seeds, *rounds)
	if err != nil {
		return err
	}
	t, err := e.measure(ctx, progress)
	if err != nil {
		return err
	}
	var numbers, drawing bytes.Buffer
	f := t.figure()
	if err := errors.Join(t.writeCSV(&numbers), f.SVG(&drawing)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(strings.TrimSuffix(*output, ".svg")+".csv", numbers.Bytes(), 0o644),
		os.WriteFile(*output, drawing.Bytes(), 0o644))
}
