package figure

import "slices"

// The measures of a figure, in pixels.
const (
	sheetWidth  = 900 // of two or three panels side by side
	narrowSheet = 640 // of one
	perColumn   = 300 // of more than three
	border      = 18
	columnGap   = 22
	rowGap      = 22
	headSize    = 13 // titles of panels
	markSize    = 10.5
	captionSize = 12.5
)

// sheet is a figure with the places of its parts.
type sheet struct {
	canvas
	fig     *Figure
	columns int
	plots   []*plot
	legend  []entry // of all panels, if they have the same one
}

func newSheet(f *Figure) *sheet {
	s := &sheet{fig: f, columns: f.columns()}
	switch {
	case s.columns == 1:
		s.width = narrowSheet
	case s.columns <= 3:
		s.width = sheetWidth
	default:
		s.width = float64(s.columns)*perColumn + border
	}
	all := assign(f.Panels)
	cell := (s.width - 2*border - float64(s.columns-1)*columnGap) / float64(s.columns)
	for i := range f.Panels {
		s.plots = append(s.plots, &plot{Panel: &f.Panels[i], width: cell, ratio: aspect(s.columns), legend: legendOf(&f.Panels[i], all[i]), colours: all[i]})
	}
	s.shareLegend()
	for _, p := range s.plots {
		p.measure()
	}
	return s
}

// columns returns how many panels stand side by side.
func (f *Figure) columns() int {
	n := len(f.Panels)
	switch {
	case f.Columns > 0:
		return max(1, min(f.Columns, n))
	case n <= 1:
		return 1
	case n == 2 || n == 4:
		return 2
	}
	return 3
}

// aspect is the height of a plot of lines as a part of its cell's width: small ones are higher.
func aspect(columns int) float64 {
	if columns == 1 {
		return 0.52
	}
	return 0.66
}

// shareLegend moves the legend of the panels to the top where all that have one have the same.
func (s *sheet) shareLegend() {
	var first []entry
	with := 0
	for _, p := range s.plots {
		if len(p.legend) == 0 {
			continue
		}
		with++
		if first == nil {
			first = p.legend
		} else if !slices.Equal(first, p.legend) {
			return
		}
	}
	if with < 2 {
		return
	}
	s.legend = first
	for _, p := range s.plots {
		p.legend = nil
	}
}

// draw returns the file.
func (s *sheet) draw() []byte {
	inner := s.width - 2*border
	y := border * 0.6
	for _, line := range wrap(s.fig.Title, titleSize*bolder, inner) {
		y += 22
		s.text(border, y, label{text: line, size: titleSize, fill: ink, anchor: start, bold: true})
	}
	if len(s.legend) > 0 {
		y = s.entries(s.legend, box{border, y + 10, inner, 0})
	}
	y += 14
	for first := 0; first < len(s.plots); first += s.columns {
		y = s.row(s.plots[first:min(first+s.columns, len(s.plots))], y) + rowGap
	}
	y += 16 - rowGap
	for _, line := range wrap(s.fig.Caption, captionSize, inner) {
		y += 17
		s.text(border, y, label{text: line, size: captionSize, fill: faint, anchor: start})
	}
	s.height = y + border*0.8
	return s.svg(s.fig.Title)
}

// row draws panels side by side from y on, their plots at one height, and returns where they end.
func (s *sheet) row(plots []*plot, y float64) float64 {
	head, height, foot := 0.0, 0.0, 0.0
	for _, p := range plots {
		head, height, foot = max(head, p.head), max(height, p.height), max(foot, p.foot)
	}
	for i, p := range plots {
		x := border + float64(i)*(p.width+columnGap)
		p.place(box{x, y, p.width, 0}, head, height)
		p.draw(&s.canvas)
	}
	return y + head + height + foot
}
