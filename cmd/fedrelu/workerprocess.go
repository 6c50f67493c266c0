package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/worker"
)

// workerProcess is the command that `run` starts. It is not for people.
const workerProcess = "worker-process"

func newWorkerProcess(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    workerProcess,
		Short:  "A worker of `run`: reads what it needs from its parent, and ends with it",
		Hidden: true,
		Args:   exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := bufio.NewReader(a.stdin)
			g, err := readGreeting(in)
			if err != nil {
				return err
			}
			go endWithParent(in)
			w, err := worker.Open(worker.Config{
				Name: g.Name, Dir: g.Dir, Slots: g.Slots, Token: g.Token, Build: build(),
				Dial: worker.DialAddress(g.Address), Logger: a.logger(slog.LevelWarn, false),
			})
			if err != nil {
				return fmt.Errorf("starting worker %s: %w", g.Name, err)
			}
			return w.Run(context.WithoutCancel(cmd.Context()))
		},
	}
}

// readGreeting reads the one line that the parent writes.
func readGreeting(in *bufio.Reader) (greeting, error) {
	var g greeting
	line, err := in.ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, &g)
	}
	if err != nil {
		return g, fmt.Errorf("reading from `fedrelu run`, which alone starts this command: %w", err)
	}
	return g, nil
}

// endWithParent ends this process when the parent's end of the pipe is closed, however that came about. Nothing is lost:
// what a worker has not delivered is computed again, to the same bits.
func endWithParent(in io.Reader) {
	_, _ = io.Copy(io.Discard, in)
	os.Exit(0)
}
