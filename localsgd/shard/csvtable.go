package shard

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxColumns bounds the columns of a CSV file.
const MaxColumns = 1 << 20

// csvTable reads a CSV file (RFC 4180: commas, double quotes) row by row. Blank lines and blanks around a field do not
// count, and a byte order mark at the beginning is passed over. Every row has as many fields as the first one.
type csvTable struct {
	name   string
	r      *csv.Reader
	header []string // names, all different and none empty; the columns' numbers where the file has no header
	first  []string // the first row of a file without a header, until next has returned it
}

// newCSVTable reads the header of a file, or sees from the first row how many columns there are.
func newCSVTable(f File, noHeader bool) (*csvTable, error) {
	if f.Size > MaxFeatureBytes {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d are allowed", f.Name, ErrData, f.Size, int64(MaxFeatureBytes))
	}
	text := bufio.NewReaderSize(io.NewSectionReader(f.R, 0, f.Size), 1<<16)
	if mark, _ := text.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = text.Discard(len(mark))
	}
	t := &csvTable{name: f.Name, r: csv.NewReader(text)}
	t.r.FieldsPerRecord = -1 // our own words are better
	t.r.ReuseRecord = true
	first, err := t.read()
	if err != nil {
		return nil, err
	}
	if first == nil {
		return nil, fmt.Errorf("%s: %w: the file is empty", f.Name, ErrData)
	}
	if len(first) > MaxColumns {
		return nil, fmt.Errorf("%s:1: %w: %d columns, at most %d are allowed", f.Name, ErrData, len(first), MaxColumns)
	}
	first = slices.Clone(first)
	if !noHeader {
		t.header = first
		return t, t.checkHeader()
	}
	t.first = first
	for i := range first {
		t.header = append(t.header, strconv.Itoa(i))
	}
	return t, nil
}

func (t *csvTable) checkHeader() error {
	seen := map[string]bool{}
	for i, name := range t.header {
		switch {
		case name == "":
			return fmt.Errorf("%s:1: %w: column %d has no name in the header; if it numbers the rows, write the file without it", t.name, ErrData, i)
		case seen[name]:
			return fmt.Errorf("%s:1: %w: two columns are called %q", t.name, ErrData, name)
		}
		seen[name] = true
	}
	return nil
}

// next returns the fields of the next row, nil at the end. They are valid until the next call.
func (t *csvTable) next() ([]string, error) {
	if row := t.first; row != nil {
		t.first = nil
		return row, nil
	}
	row, err := t.read()
	if row != nil && len(row) != len(t.header) {
		return nil, fmt.Errorf("%s:%d: %w: %d fields, want %d as in the first row", t.name, t.line(), ErrData, len(row), len(t.header))
	}
	return row, err
}

func (t *csvTable) read() ([]string, error) {
	row, err := t.r.Read()
	var syntax *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%s:%d:%d: %w: not CSV: %w", t.name, syntax.Line, syntax.Column, ErrData, syntax.Err)
	case err != nil:
		return nil, fmt.Errorf("%s: reading: %w", t.name, err)
	}
	for i, field := range row {
		row[i] = strings.TrimSpace(field)
	}
	return row, nil
}

// line returns the number of the line in which the last row begins, from 1.
func (t *csvTable) line() int {
	line, _ := t.r.FieldPos(0)
	return line
}

// refuse returns an error about field i of the last row.
func (t *csvTable) refuse(i int, format string, args ...any) error {
	line, column := t.r.FieldPos(i)
	return fmt.Errorf("%s:%d:%d: %w: column %s: %s", t.name, line, column, ErrData, t.header[i], fmt.Sprintf(format, args...))
}

// number returns field i of the last row, decimal and finite in float32.
func (t *csvTable) number(row []string, i int) (float32, error) {
	field := row[i]
	if strings.Trim(field, "0123456789+-.eE") != "" || field == "" {
		return 0, t.refuse(i, "%s, want a number", clipped(field))
	}
	v, err := strconv.ParseFloat(field, 32)
	if errors.Is(err, strconv.ErrRange) {
		return 0, t.refuse(i, "%s, want a number up to %v, the largest of float32", clipped(field), float32(math.MaxFloat32))
	}
	if err != nil {
		return 0, t.refuse(i, "%s, want a number", clipped(field))
	}
	return float32(v), nil
}

// clipped quotes a field of a file for a message.
func clipped(field string) string {
	if runes := []rune(field); len(runes) > 60 {
		field = string(runes[:60]) + "..."
	}
	return strconv.Quote(field)
}

// find returns the place of a column that is given by its name, or else by its number from 0.
func (t *csvTable) find(column string) (int, error) {
	if i := slices.Index(t.header, column); i >= 0 {
		return i, nil
	}
	if i, err := strconv.Atoi(column); err == nil && i >= 0 && i < len(t.header) {
		return i, nil
	}
	names, hint := t.header[:min(20, len(t.header))], ""
	if len(t.header) == 1 && strings.ContainsAny(t.header[0], ";\t") {
		hint = "; fields are separated by commas"
	}
	return 0, fmt.Errorf("%s:1: %w: no column %q among the %d that begin with %q (or a number from 0 to %d)%s",
		t.name, ErrData, column, len(t.header), names, len(t.header)-1, hint)
}
