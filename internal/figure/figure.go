package figure

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
