package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/proto/spec"
)

// The exit codes.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitStopped = 130
)

// app is what the commands of one process share.
type app struct {
	stdin   io.Reader
	stdout  io.Writer
	console *view.Console // stderr
	begun   bool          // a command has begun: errors are no more about the command line
}

// codeError is an error with an exit code of its own. Without err nothing is printed.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usage makes an error about the command line.
func usage(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// command runs a command line and returns the exit code.
func command(args []string) int {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, console: view.NewConsole(os.Stderr, terminalWidth(os.Stderr))}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	executed, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	code := exitFailed
	var coded *codeError
	switch {
	case errors.As(err, &coded):
		code = coded.code
	case errors.Is(err, spec.ErrInvalid) || errors.Is(err, control.ErrAddress) || !a.begun:
		code = exitUsage
	}
	if coded == nil || coded.err != nil {
		a.complain(err)
	}
	if code == exitUsage && !a.begun {
		a.console.Printf("See '%s --help'.", executed.CommandPath())
	}
	return code
}

// complain prints an error: problems of a spec as they are, since each begins with its place, everything else after the
// name of the program.
func (a *app) complain(err error) {
	var problems *spec.Errors
	text := strings.TrimRight(err.Error(), "\n")
	if errors.As(err, &problems) && text == problems.Error() {
		a.console.Printf("%s", text)
		return
	}
	a.console.Printf("fedrelu: %s", text)
}

// terminalWidth returns what asks for the width of the terminal f, nil if f is none.
func terminalWidth(f *os.File) func() int {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(fd)
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

// logger logs to stderr, above the live line.
func (a *app) logger(level slog.Level, times bool) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.console, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if !times && len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))
}
