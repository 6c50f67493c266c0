package figure

import (
	"fmt"
	"slices"
)

// plot is a panel with its measures. head is what stands above the frame, foot what stands below.
type plot struct {
	*Panel
	colours []place
	legend  []entry
	ratio   float64

	width, head, height, foot float64

	x, y     axis
	titles   []string
	xNames   []string // the name of the axis, in lines
	yNames   []string
	notes    []string
	named    []markLabel // of vertical marks, above the frame
	left     float64     // from the edge of the cell to the frame
	at, cell box         // the frame, and all of the cell
	dropped  int
}

// The measures around a frame.
const (
	nameSize  = 11.5 // of axes
	nameLine  = 15
	headLine  = 17
	markLine  = 13
	tickSpace = 18
)

// measure finds out how much room everything but the frame takes. What needs the height of the frame takes that of the ratio.
func (p *plot) measure() {
	p.titles = wrap(p.Title, headSize*bolder, p.width)
	p.height = p.width * p.ratio
	if p.Heat != nil {
		p.measureHeat()
	} else {
		p.measureLines()
	}
	_, rows := flow(p.legend, p.width)
	p.head = float64(len(p.titles))*headLine + float64(rows)*legendLine + float64(p.markRows())*markLine + 8
	p.foot += float64(len(p.xNames)*nameLine+len(p.notes)*markLine) + 4
}

func (p *plot) measureLines() {
	xs, ys, places := p.values()
	p.yNames = wrap(p.Y, nameSize, p.height)
	p.y = newAxis(ys, nil, p.LogY, span{p.height, false})
	if p.y.note != "" {
		p.yNames = wrap(p.Y+p.y.note, nameSize, p.height)
	}
	p.left = float64(len(p.yNames))*nameLine + widestText(p.y.labels(), tickSize) + 10
	p.x = newAxis(xs, places, p.LogX, span{p.width - p.left, true})
	p.xNames = wrap(p.X+p.x.note, nameSize, p.width-p.left)
	p.foot = tickSpace
	p.countDropped()
	if p.dropped > 0 {
		what := "values are infinite"
		if p.LogX || p.LogY {
			what = "values are not positive or infinite"
		}
		p.notes = wrap(fmt.Sprintf("%d %s: not drawn", p.dropped, what), markSize, p.width)
	}
	p.x.from, p.x.to = 0, p.width-p.left
	p.named = nameVertical(p)
}

// values returns all that the axes have to show, and the values of X where there are points.
func (p *plot) values() (xs, ys, places []float64) {
	for _, l := range p.Lines {
		for i := range l.X {
			if !shown(l.X[i], p.LogX) || !shown(l.Y[i], p.LogY) {
				continue
			}
			xs, ys = append(xs, l.X[i]), append(ys, l.Y[i])
			if l.Lo != nil {
				ys = append(ys, l.Lo[i], l.Hi[i])
			}
		}
	}
	places = slices.Clone(xs)
	for _, m := range p.Marks {
		if m.Vertical {
			xs = append(xs, m.At)
		} else {
			ys = append(ys, m.At)
		}
	}
	return xs, ys, places
}

// countDropped counts the points that are numbers and cannot be drawn.
func (p *plot) countDropped() {
	for _, l := range p.Lines {
		for i := range l.X {
			number := l.X[i] == l.X[i] && l.Y[i] == l.Y[i] // NaN is a gap that was meant
			if number && !(shown(l.X[i], p.LogX) && shown(l.Y[i], p.LogY)) {
				p.dropped++
			}
		}
	}
}

// place gives the plot its cell, and its frame below a head and with a height that it shares with its neighbours.
func (p *plot) place(cell box, head, height float64) {
	p.cell = cell
	p.at = box{cell.x + p.left, cell.y + head, cell.w - p.left, height}
	p.x.from, p.x.to = p.at.x, p.at.x+p.at.w
	p.y.from, p.y.to = p.at.y+p.at.h, p.at.y
}

// draw draws the plot where it was placed. Titles stand at the top, the legend and the names of marks right above the frame.
func (p *plot) draw(c *canvas) {
	for i, line := range p.titles {
		c.text(p.cell.x, p.cell.y+float64(i)*headLine+12, label{text: line, size: headSize, fill: ink, anchor: start, bold: true})
	}
	c.entries(p.legend, box{p.cell.x, p.cell.y + float64(len(p.titles))*headLine, p.width, 0})
	if p.Heat != nil {
		p.drawHeat(c)
	} else {
		p.drawLines(c)
	}
	p.drawNames(c)
}

func (p *plot) drawLines(c *canvas) {
	if p.x.empty || p.y.empty {
		c.stroke(frame(p.at), pen{rule, 1, ""})
		c.text(p.at.x+p.at.w/2, p.at.y+p.at.h/2, label{text: cut("nothing to draw", nameSize, p.at.w), size: nameSize, fill: faint, anchor: middle})
		return
	}
	p.grid(c)
	for i, l := range p.Lines {
		p.band(c, l, p.colours[i])
	}
	p.markLines(c)
	for i, l := range p.Lines {
		p.series(c, l, p.colours[i])
	}
	p.markNames(c)
}

// The colours of the grid, both lighter than everything that is data.
const (
	gridMajor = "#e3e3e3"
	gridMinor = "#f2f2f2"
	axisLine  = "#9a9a9a"
)

func (p *plot) grid(c *canvas) {
	for _, v := range p.x.minor {
		c.line(p.x.at(v), p.at.y, p.x.at(v), p.at.y+p.at.h, gridMinor)
	}
	for _, v := range p.y.minor {
		c.line(p.at.x, p.y.at(v), p.at.x+p.at.w, p.y.at(v), gridMinor)
	}
	ground := p.at.y + p.at.h
	for _, t := range p.x.ticks {
		x := p.x.at(t.at)
		c.line(x, p.at.y, x, ground, gridMajor)
		c.line(x, ground, x, ground+4, axisLine)
		c.text(x, ground+15, label{text: t.label, size: tickSize, fill: faint, anchor: middle})
	}
	for _, t := range p.y.ticks {
		y := p.y.at(t.at)
		c.line(p.at.x, y, p.at.x+p.at.w, y, gridMajor)
		c.text(p.at.x-6, y+4, label{text: t.label, size: tickSize, fill: faint, anchor: end})
	}
	c.line(p.at.x, p.at.y, p.at.x, ground, axisLine)
	c.line(p.at.x, ground, p.at.x+p.at.w, ground, axisLine)
}

// drawNames writes what the axes are, and what was left out.
func (p *plot) drawNames(c *canvas) {
	y := p.at.y + p.at.h + p.foot - 4 - float64(len(p.xNames)*nameLine+len(p.notes)*markLine)
	for _, line := range p.xNames {
		y += nameLine
		c.text(p.at.x+p.at.w/2, y, label{text: line, size: nameSize, fill: ink, anchor: middle})
	}
	for _, line := range p.notes {
		y += markLine
		c.text(p.cell.x, y, label{text: line, size: markSize, fill: faint, anchor: start})
	}
	for i, line := range p.yNames {
		c.text(p.cell.x+11+float64(i)*nameLine, p.at.y+p.at.h/2, label{text: line, size: nameSize, fill: ink, anchor: middle, turned: true})
	}
}

func frame(b box) string {
	return fmt.Sprintf("M%s %sh%sv%sh%sZ", px(b.x), px(b.y), px(b.w), px(b.h), px(-b.w))
}
