package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// ErrInvalid is wrapped by every error of this package.
var ErrInvalid = errors.New("invalid spec")

// maxProblems bounds how many problems are reported of one spec.
const maxProblems = 50

// Problem is one thing wrong with a spec.
type Problem struct {
	File         string // the file; "--set path=value" for an override; empty for bytes
	Line, Column int    // from 1, in characters; 0 where there is no file
	Path         string // of the value, as in shards.partition.contiguous.sizes[2]; empty for the whole
	Message      string // the value and what is allowed
	text         string // of the line
}

// String returns `file:line:column path: message`, and below it the line with a mark under the column.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d ", p.File, p.Line, p.Column)
	case p.File != "":
		b.WriteString(p.File + ": ")
	}
	if p.Path != "" && !strings.HasPrefix(p.File, setting(p.Path)) {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Line > 0 {
		b.WriteString(p.excerpt())
	}
	return b.String()
}

// excerpt shows the part of the line around the column; tabs and unprintable characters would shift the mark.
func (p Problem) excerpt() string {
	const before, width = 100, 140
	line := []rune(p.text)
	for i, r := range line {
		if !unicode.IsPrint(r) {
			line[i] = ' '
		}
	}
	mark := min(p.Column-1, len(line))
	if skip := mark - before; skip > 0 {
		line, mark = append([]rune("..."), line[skip:]...), before+len("...")
	}
	if len(line) > width {
		line = append(line[:width:width], []rune("...")...)
	}
	return fmt.Sprintf("\n%4d | %s\n%4d | %s^", p.Line, string(line), p.Line, strings.Repeat(".", mark))
}

// Errors is what Parse, FromProto and Check return: all problems, in the order of the file, overrides after it.
type Errors struct {
	Problems []Problem
	Omitted  int // problems beyond those listed
}

// Error returns the problems one below the other.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns ErrInvalid.
func (e *Errors) Unwrap() error { return ErrInvalid }

// report returns an error if there is a problem.
func report(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.Line == 0 || b.Line == 0 {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	n := min(len(problems), maxProblems)
	return &Errors{Problems: problems[:n], Omitted: len(problems) - n}
}

// setting is how an override of path begins in messages.
func setting(path string) string { return "--set " + path + "=" }
