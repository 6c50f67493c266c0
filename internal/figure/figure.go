package figure

import (
	"errors"
	"fmt"
	"io"
)

// Figure is panels in a grid, drawn in one style: see Figure.SVG.
type Figure struct {
	Title   string
	Caption string // a sentence or two below: what to see
	Columns int    // panels side by side, from 1; 0 chooses
	Panels  []Panel
}

// Panel is one plot: lines over two axes, or a table of values as colours.
type Panel struct {
	Title, X, Y string // Y and X with their units
	LogX, LogY  bool
	Lines       []Line
	Marks       []Mark // straight lines across the panel: predictions, thresholds
	Heat        *Heat  // instead of lines
}

// Line is a series. Values that are NaN, or not positive on a logarithmic axis, are gaps.
type Line struct {
	Name   string // in the legend; empty: none
	X, Y   []float64
	Lo, Hi []float64 // a band around Y, nil for none
	Style  Style
	Group  int // lines of a group have one colour; 0: each line its own
}

// Style says how a line is drawn.
type Style int

// The styles. Predictions are dashed, measurements have points.
const (
	Solid Style = iota
	Dashed
	Points
	LinePoints
)

// Mark is a straight line across a panel at a value of one axis.
type Mark struct {
	Name     string
	At       float64
	Vertical bool // at a value of X; otherwise of Y
}

// Heat is a table of values shown as colours with their numbers; NaN is an empty cell.
type Heat struct {
	XTicks, YTicks []string
	Values         [][]float64 // [y][x]
	Format         string      // of the numbers, as fmt has it; empty: %.3g
	Framed         [][]bool    // cells with a frame, nil for none
}

// SVG writes the figure: its title, the panels in their grid, and the caption. It is wide enough for its text at 900 pixels,
// and the same figure is the same bytes. What a panel cannot show is said below it: values that are infinite, or not positive
// on a logarithmic axis. A panel without any value says so. The error is that of w, or says which part of the figure
// contradicts itself (ErrShape).
func (f *Figure) SVG(w io.Writer) error {
	for i := range f.Panels {
		if err := f.Panels[i].check(); err != nil {
			return fmt.Errorf("panel %d (%s): %w", i+1, f.Panels[i].Title, err)
		}
	}
	if _, err := w.Write(newSheet(f).draw()); err != nil {
		return fmt.Errorf("writing the figure: %w", err)
	}
	return nil
}

// ErrShape is the error of a figure whose parts have other numbers of values than they need.
var ErrShape = errors.New("numbers of values differ")

func (p *Panel) check() error {
	for i, l := range p.Lines {
		if len(l.X) != len(l.Y) {
			return fmt.Errorf("%w: line %d (%s) has %d X and %d Y", ErrShape, i+1, l.Name, len(l.X), len(l.Y))
		}
		if len(l.Lo) != len(l.Hi) || l.Lo != nil && len(l.Lo) != len(l.Y) {
			return fmt.Errorf("%w: line %d (%s) has a band of %d and %d values around %d", ErrShape, i+1, l.Name, len(l.Lo), len(l.Hi), len(l.Y))
		}
	}
	if p.Heat == nil {
		return nil
	}
	return p.Heat.check()
}

func (h *Heat) check() error {
	if len(h.Values) != len(h.YTicks) {
		return fmt.Errorf("%w: %d rows with %d names", ErrShape, len(h.Values), len(h.YTicks))
	}
	if h.Framed != nil && len(h.Framed) != len(h.Values) {
		return fmt.Errorf("%w: %d rows of frames for %d of values", ErrShape, len(h.Framed), len(h.Values))
	}
	for y, row := range h.Values {
		if len(row) != len(h.XTicks) {
			return fmt.Errorf("%w: row %d has %d values for %d columns", ErrShape, y+1, len(row), len(h.XTicks))
		}
		if h.Framed != nil && len(h.Framed[y]) != len(row) {
			return fmt.Errorf("%w: row %d has %d frames for %d values", ErrShape, y+1, len(h.Framed[y]), len(row))
		}
	}
	return nil
}
