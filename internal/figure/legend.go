package figure

import "fmt"

// entry is a line of a legend.
type entry struct {
	name   string
	style  Style
	color  string
	symbol int
	band   bool
}

// legendOf names each series of a panel once. What has one name and several colours, as predictions do, is one grey entry.
func legendOf(p *Panel, colours []place) []entry {
	var out []entry
	at := map[string]int{}
	for i, l := range p.Lines {
		e := entry{l.Name, l.Style, colours[i].color(), colours[i].index, l.Lo != nil}
		key := fmt.Sprint(l.Style, " ", l.Name)
		first, seen := at[key]
		switch {
		case l.Name == "":
		case !seen:
			at[key] = len(out)
			out = append(out, e)
		case out[first].color != e.color:
			out[first].color, out[first].symbol = faint, 0
		}
	}
	return out
}

// The measures of a legend.
const (
	legendSize = 11
	legendLine = 17
	swatch     = 22
	entryGap   = 14
)

// flow returns the places of entries side by side in lines of a width: x from the left and the line from 0.
func flow(entries []entry, width float64) (at []box, lines int) {
	x, line := 0.0, 0
	for _, e := range entries {
		w := swatch + 6 + min(textWidth(e.name, legendSize), width-swatch-6)
		if x > 0 && x+w > width {
			x, line = 0, line+1
		}
		at = append(at, box{x, float64(line), w, legendLine})
		x += w + entryGap
	}
	if len(entries) == 0 {
		return nil, 0
	}
	return at, line + 1
}

// entries draws a legend from the upper edge of a box on, and returns where it ends.
func (c *canvas) entries(entries []entry, b box) float64 {
	at, lines := flow(entries, b.w)
	for i, e := range entries {
		x, y := b.x+at[i].x, b.y+at[i].y*legendLine+legendLine/2
		c.sample(e, x, y)
		name := cut(e.name, legendSize, b.w-swatch-6)
		c.text(x+swatch+6, y+4, label{text: name, size: legendSize, fill: ink, anchor: start})
	}
	return b.y + float64(lines)*legendLine
}

// sample draws what a series looks like.
func (c *canvas) sample(e entry, x, y float64) {
	path := "M" + px(x) + " " + px(y) + "H" + px(x+swatch)
	if e.band && e.style != Points {
		c.fill("M"+px(x)+" "+px(y-5)+"H"+px(x+swatch)+"V"+px(y+5)+"H"+px(x)+"Z", e.color, bandOpacity)
	}
	switch e.style {
	case Dashed:
		c.stroke(path, pen{e.color, lineWidth, dashes})
	case Solid, LinePoints:
		c.stroke(path, pen{e.color, lineWidth, ""})
	}
	if e.style == Points || e.style == LinePoints {
		c.marker(e.symbol, x+swatch/2, y, e.color)
	}
}
