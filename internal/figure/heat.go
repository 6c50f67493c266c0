package figure

import (
	"fmt"
	"math"
)

// The measures of a table of values.
const (
	cellHeight   = 26
	tallestCell  = 44
	smallestText = 8
)

// measureHeat measures a panel that is a table of values.
func (p *plot) measureHeat() {
	h := p.Heat
	rows, columns := max(1, len(h.YTicks)), max(1, len(h.XTicks))
	p.height = max(cellHeight*float64(rows), min(p.height, tallestCell*float64(rows)))
	p.yNames = wrap(p.Y, nameSize, p.height)
	p.left = float64(len(p.yNames))*nameLine + min(widestText(h.YTicks, tickSize), p.width/2) + 10
	p.xNames = wrap(p.X, nameSize, p.width-p.left)
	p.foot = tickSpace
	if wide := widestText(h.XTicks, tickSize); wide > (p.width-p.left)/float64(columns) {
		p.foot = min(wide, 120) + 10
	}
	if p.numberSize() == 0 && len(h.YTicks) > 0 {
		lo, hi, ok := h.bounds()
		if ok {
			p.notes = wrap(fmt.Sprintf("from %s (lightest) to %s (darkest)", h.write(lo), h.write(hi)), markSize, p.width)
		}
	}
}

// numberSize returns the size of the numbers in the cells: that of ticks, or less where they would not fit; 0 where they
// cannot be read.
func (p *plot) numberSize() float64 {
	room := (p.width-p.left)/float64(max(1, len(p.Heat.XTicks))) - 4
	most := 0.0
	for _, row := range p.Heat.Values {
		for _, v := range row {
			most = max(most, textWidth(p.Heat.write(v), 1))
		}
	}
	size := min(tickSize, room/max(most, 1e-9))
	if size < smallestText {
		return 0
	}
	return size
}

func (h *Heat) write(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "−∞"
	case h.Format == "":
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprintf(h.Format, v)
}

// bounds returns the smallest and the largest finite value.
func (h *Heat) bounds() (lo, hi float64, ok bool) {
	var all []float64
	for _, row := range h.Values {
		all = append(all, row...)
	}
	return extent(all, false)
}

// shade returns the colour of each value: light to dark from the smallest to the largest, by their logarithms where all are
// positive and lie more than a thousandfold apart; where there are both signs, two colours that meet at zero.
func (h *Heat) shade() func(v float64) string {
	lo, hi, ok := h.bounds()
	flat := func(float64) string { return between(blues, 0.25) }
	switch {
	case !ok || lo == hi:
		return flat
	case lo < 0 && hi > 0:
		most := max(-lo, hi)
		return func(v float64) string { return between(diverging, 0.5+v/most/2) }
	case hi <= 0:
		return func(v float64) string { return between(blues, (hi/2-v/2)/(hi/2-lo/2)) }
	case lo > 0 && hi/lo > 1000:
		return func(v float64) string {
			return between(blues, (math.Log(v)-math.Log(lo))/(math.Log(hi)-math.Log(lo)))
		}
	}
	return func(v float64) string { return between(blues, (v/2-lo/2)/(hi/2-lo/2)) }
}

const emptyCell = "#f4f4f4"

func (p *plot) drawHeat(c *canvas) {
	h := p.Heat
	if len(h.XTicks) == 0 || len(h.YTicks) == 0 {
		c.stroke(frame(p.at), pen{rule, 1, ""})
		c.text(p.at.x+p.at.w/2, p.at.y+p.at.h/2, label{text: cut("nothing to draw", nameSize, p.at.w), size: nameSize, fill: faint, anchor: middle})
		return
	}
	shade, size := h.shade(), p.numberSize()
	w, high := p.at.w/float64(len(h.XTicks)), p.at.h/float64(len(h.YTicks))
	for y, row := range h.Values {
		for x, v := range row {
			b := box{p.at.x + float64(x)*w + 0.75, p.at.y + float64(y)*high + 0.75, w - 1.5, high - 1.5}
			p.cellOf(c, b, v, shade, size)
		}
	}
	for y, row := range h.Framed {
		for x, framed := range row {
			if framed {
				b := box{p.at.x + float64(x)*w + 1.5, p.at.y + float64(y)*high + 1.5, w - 3, high - 3}
				c.stroke(frame(b), pen{"#d55e00", 2, ""})
			}
		}
	}
	p.heatTicks(c, w, high)
}

func (p *plot) cellOf(c *canvas, b box, v float64, shade func(float64) string, size float64) {
	if math.IsNaN(v) {
		c.rect(b, emptyCell, 1)
		c.stroke(path([]point{{b.x, b.y + b.h}, {b.x + b.w, b.y}}), pen{rule, 1, ""})
		return
	}
	if math.IsInf(v, 0) {
		v = math.Copysign(math.MaxFloat64/4, v)
		c.rect(b, emptyCell, 1)
		c.text(b.x+b.w/2, b.y+b.h/2+4, label{text: p.Heat.write(math.Inf(int(math.Copysign(1, v)))), size: tickSize, fill: ink, anchor: middle})
		return
	}
	color := shade(v)
	c.rect(b, color, 1)
	if size > 0 {
		c.text(b.x+b.w/2, b.y+b.h/2+size*0.36, label{text: p.Heat.write(v), size: size, fill: inkOn(color), anchor: middle})
	}
}

// inkOn returns the colour of a text upon another: dark on light and light on dark.
func inkOn(color string) string {
	var r, g, b int
	if _, err := fmt.Sscanf(color, "#%02x%02x%02x", &r, &g, &b); err == nil && 299*r+587*g+114*b < 140_000 {
		return "#ffffff"
	}
	return ink
}

// heatTicks names columns and rows; names of columns that are wider than these read upwards.
func (p *plot) heatTicks(c *canvas, w, high float64) {
	ground := p.at.y + p.at.h
	turned := widestText(p.Heat.XTicks, tickSize) > w
	for x, name := range p.Heat.XTicks {
		l := label{text: name, size: tickSize, fill: faint, anchor: middle}
		at := point{p.at.x + (float64(x)+0.5)*w, ground + 15}
		if turned {
			l.turned, l.anchor, l.text = true, end, cut(name, tickSize, 120)
			at.x, at.y = at.x+4, ground+6
			if w < tickSize && x%(int(tickSize/w)+1) != 0 {
				continue
			}
		}
		c.text(at.x, at.y, l)
	}
	for y, name := range p.Heat.YTicks {
		c.text(p.at.x-6, p.at.y+(float64(y)+0.5)*high+4, label{text: cut(name, tickSize, p.width/2), size: tickSize, fill: faint, anchor: end})
	}
}
