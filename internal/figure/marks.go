package figure

import "math"

// markLabel is the name of a vertical mark: where it stands along X in pixels from the frame, and in which row above it, from 0.
type markLabel struct {
	text string
	at   float64 // the middle of the text
	row  int
}

// nameVertical finds places for the names of vertical marks: in as many rows above the frame as it takes to keep them apart.
func nameVertical(p *plot) []markLabel {
	var out []markLabel
	var rows []float64 // how far each is taken
	inner := p.width - p.left
	for _, m := range sortedMarks(p.Marks) {
		if !m.Vertical || m.Name == "" || !shown(m.At, p.LogX) {
			continue
		}
		text := cut(m.Name, markSize, inner)
		w := textWidth(text, markSize)
		at := max(w/2-p.left/2, min(p.x.at(m.At), inner-w/2))
		row := 0
		for row < len(rows) && at-w/2 < rows[row]+6 {
			row++
		}
		if row == len(rows) {
			rows = append(rows, 0)
		}
		rows[row] = at + w/2
		out = append(out, markLabel{text, at, row})
	}
	return out
}

// sortedMarks returns the marks by their place, equal ones in their order.
func sortedMarks(marks []Mark) []Mark {
	out := append([]Mark(nil), marks...)
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j].At < out[j-1].At; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func (p *plot) markRows() int {
	rows := 0
	for _, m := range p.named {
		rows = max(rows, m.row+1)
	}
	return rows
}

const markColor = "#444444"

func (p *plot) markLines(c *canvas) {
	for _, m := range p.Marks {
		switch {
		case m.Vertical && shown(m.At, p.LogX):
			x := p.x.at(m.At)
			c.stroke(path([]point{{x, p.at.y - 3}, {x, p.at.y + p.at.h}}), pen{markColor, 1.1, dots})
		case !m.Vertical && shown(m.At, p.LogY):
			y := p.y.at(m.At)
			c.stroke(path([]point{{p.at.x, y}, {p.at.x + p.at.w, y}}), pen{markColor, 1.1, dots})
		}
	}
}

// markNames writes the names of vertical marks above the frame, and those of horizontal ones inside it, where they hide the
// least.
func (p *plot) markNames(c *canvas) {
	for _, m := range p.named {
		c.text(p.at.x+m.at, p.at.y-6-float64(m.row)*markLine, label{text: m.text, size: markSize, fill: markColor, anchor: middle})
	}
	var taken []box
	for _, m := range p.Marks {
		if m.Vertical || m.Name == "" || !shown(m.At, p.LogY) {
			continue
		}
		text := cut(m.Name, markSize, p.at.w-8)
		b, ok := p.freePlace(m, textWidth(text, markSize), taken)
		if !ok {
			continue // no place that another name does not have
		}
		taken = append(taken, b)
		c.text(b.x, b.y+b.h-3, label{text: text, size: markSize, fill: markColor, anchor: start, halo: true})
	}
}

// freePlace looks for a place beside a horizontal mark, above or below it, where there are the fewest points.
func (p *plot) freePlace(m Mark, w float64, taken []box) (box, bool) {
	y := p.y.at(m.At)
	best, least := box{}, math.Inf(1)
	for step := range 9 {
		for _, top := range []float64{y - markLine - 1, y + 1} {
			b := box{p.at.x + p.at.w - 4 - w - float64(step)*(p.at.w-8-w)/8, top, w, markLine}
			if b.y < p.at.y-2 || b.y+b.h > p.at.y+p.at.h || overlapsAny(b, taken) {
				continue
			}
			if n := p.covers(b); n < least {
				best, least = b, n
			}
		}
	}
	return best, !math.IsInf(least, 1)
}

func overlapsAny(b box, others []box) bool {
	for _, o := range others {
		if b.overlaps(o) {
			return true
		}
	}
	return false
}

func (b box) overlaps(o box) bool {
	return b.x < o.x+o.w && o.x < b.x+b.w && b.y < o.y+o.h && o.y < b.y+b.h
}

// covers tells how much of the series, and of other marks, a box would hide, in pixels along them.
func (p *plot) covers(b box) float64 {
	hidden := 0.0
	for _, l := range p.Lines {
		for _, run := range p.segments(l.X, l.Y) {
			hidden += runIn(run, b, l.Style == Points)
		}
	}
	for _, m := range p.Marks {
		if !m.Vertical && shown(m.At, p.LogY) && p.y.at(m.At) > b.y && p.y.at(m.At) < b.y+b.h {
			hidden += b.w
		}
	}
	return hidden
}

// runIn returns about how many pixels of a stretch of a line, or of its points, lie in a box.
func runIn(run []point, b box, points bool) float64 {
	in := 8 * inBox(run[0], b)
	for i := 1; i < len(run); i++ {
		if points {
			in += 8 * inBox(run[i], b)
		} else {
			in += along(run[i-1], run[i], b)
		}
	}
	return in
}

func inBox(q point, b box) float64 {
	if q.x >= b.x-3 && q.x <= b.x+b.w+3 && q.y >= b.y-3 && q.y <= b.y+b.h+3 {
		return 1
	}
	return 0
}

// along returns about how many pixels of a straight line lie in a box.
func along(from, to point, b box) float64 {
	length := math.Hypot(to.x-from.x, to.y-from.y)
	n := min(200, int(length/4)+1)
	in := 0.0
	for i := range n {
		t := (float64(i) + 0.5) / float64(n)
		in += inBox(point{from.x + t*(to.x-from.x), from.y + t*(to.y-from.y)}, b)
	}
	return in * length / float64(n)
}
