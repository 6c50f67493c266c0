package figure

import (
	"fmt"
	"math"
	"strings"
)

// The measures of series.
const (
	lineWidth   = 1.7
	bandOpacity = 0.16
	markerSize  = 3.1
	manyMarkers = 36 // more on a line would hide it
)

// point is a place in the drawing.
type point struct{ x, y float64 }

// segments returns the stretches of a line between its gaps, in pixels.
func (p *plot) segments(xs, ys []float64) [][]point {
	var out [][]point
	var run []point
	for i := range xs {
		if shown(xs[i], p.LogX) && shown(ys[i], p.LogY) {
			run = append(run, point{p.x.at(xs[i]), p.y.at(ys[i])})
			continue
		}
		if run != nil {
			out, run = append(out, run), nil
		}
	}
	if run != nil {
		out = append(out, run)
	}
	return out
}

// series draws a line and its markers.
func (p *plot) series(c *canvas, l Line, colour place) {
	color := colour.color()
	for _, run := range p.segments(l.X, l.Y) {
		if l.Style != Points && len(run) == 1 && l.Style != LinePoints {
			c.circle(run[0].x, run[0].y, 2, color) // a line of no length would not be seen
		}
		if l.Style != Points && len(run) > 1 {
			dash := ""
			if l.Style == Dashed {
				dash = dashes
			}
			c.stroke(path(thin(run)), pen{color, lineWidth, dash})
		}
	}
	if l.Style != Points && l.Style != LinePoints {
		return
	}
	var all []point
	for _, run := range p.segments(l.X, l.Y) {
		all = append(all, run...)
	}
	every := 1
	if l.Style == LinePoints && len(all) > manyMarkers {
		every = (len(all) + manyMarkers - 1) / manyMarkers
	}
	for i := 0; i < len(all); i += every {
		c.marker(colour.index, all[i].x, all[i].y, color)
	}
}

// band draws what lies between Lo and Hi: an area around a line, a bar through each of single points.
func (p *plot) band(c *canvas, l Line, colour place) {
	if l.Lo == nil {
		return
	}
	var run []int
	flush := func() {
		if len(run) == 1 || l.Style == Points {
			for _, i := range run {
				p.errorBar(c, l, i, colour.color())
			}
		} else if len(run) > 1 {
			p.area(c, l, run, colour.color())
		}
		run = nil
	}
	for i := range l.X {
		if shown(l.X[i], p.LogX) && shown(l.Lo[i], p.LogY) && shown(l.Hi[i], p.LogY) {
			run = append(run, i)
		} else {
			flush()
		}
	}
	flush()
}

func (p *plot) area(c *canvas, l Line, run []int, color string) {
	edge := make([]point, 0, 2*len(run))
	for _, i := range run {
		edge = append(edge, point{p.x.at(l.X[i]), p.y.at(l.Hi[i])})
	}
	for k := len(run) - 1; k >= 0; k-- {
		edge = append(edge, point{p.x.at(l.X[run[k]]), p.y.at(l.Lo[run[k]])})
	}
	c.fill(path(edge)+"Z", color, bandOpacity)
}

func (p *plot) errorBar(c *canvas, l Line, i int, color string) {
	x, lo, hi := p.x.at(l.X[i]), p.y.at(l.Lo[i]), p.y.at(l.Hi[i])
	c.stroke(fmt.Sprintf("M%s %sV%sM%s %sh6M%s %sh6", px(x), px(lo), px(hi), px(x-3), px(lo), px(x-3), px(hi)), pen{color, 1, ""})
}

func path(points []point) string {
	var b strings.Builder
	for i, q := range points {
		op := "L"
		if i == 0 {
			op = "M"
		}
		b.WriteString(op + px(q.x) + " " + px(q.y))
	}
	return b.String()
}

// thin leaves out points that cannot be told apart: of each third of a pixel of a line that runs to the right it keeps the
// first, the lowest, the highest and the last.
func thin(run []point) []point {
	if len(run) < 1000 {
		return run
	}
	for i := 1; i < len(run); i++ {
		if run[i].x < run[i-1].x {
			return run
		}
	}
	var out []point
	for i := 0; i < len(run); {
		j, low, high := i, i, i
		for ; j < len(run) && math.Floor(3*run[j].x) == math.Floor(3*run[i].x); j++ {
			if run[j].y < run[high].y {
				high = j
			}
			if run[j].y > run[low].y {
				low = j
			}
		}
		last := i - 1
		for _, k := range []int{i, min(low, high), max(low, high), j - 1} {
			if k > last {
				out, last = append(out, run[k]), k
			}
		}
		i = j
	}
	return out
}

// symbols are shapes around a point, so that series can be told apart without colours.
var symbols = []func(x, y, r float64) string{
	func(x, y, r float64) string { // circle
		return fmt.Sprintf("M%s %sa%[3]s %[3]s 0 1 0 %[4]s 0a%[3]s %[3]s 0 1 0 %[5]s 0Z", px(x-r), px(y), px(r), px(2*r), px(-2*r))
	},
	func(x, y, r float64) string { return frame(box{x - 0.88*r, y - 0.88*r, 1.76 * r, 1.76 * r}) },
	func(x, y, r float64) string { return polygon(x, y, 1.35*r, 3, -90) },
	func(x, y, r float64) string { return polygon(x, y, 1.3*r, 4, 0) },
	func(x, y, r float64) string { return polygon(x, y, 1.35*r, 3, 90) },
	func(x, y, r float64) string { return polygon(x, y, 1.15*r, 6, 0) },
}

func polygon(x, y, r float64, corners int, first float64) string {
	points := make([]point, corners)
	for i := range points {
		angle := (first + 360*float64(i)/float64(corners)) * math.Pi / 180
		points[i] = point{x + r*math.Cos(angle), y + r*math.Sin(angle)}
	}
	return path(points) + "Z"
}

func (c *canvas) marker(symbol int, x, y float64, color string) {
	fmt.Fprintf(&c.body, `<path d="%s" fill="%s" stroke="#ffffff" stroke-width="0.6"/>`+"\n", symbols[symbol%len(symbols)](x, y, markerSize), color)
}
