// Package figure draws what fedrelu measures, as SVG: files that every browser shows, that scale, and that need no font,
// script or network.
//
// Rules. A figure is a function of its numbers: equal ones give equal bytes. Numbers are written with at most two decimals,
// texts are escaped, nothing is loaded from elsewhere. A figure has a white ground of its own, names its axes, and stays
// legible from the smallest to the largest size that its doc names; what does not fit is left out and said so. Nothing here
// knows the rest of the project.
package figure

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// The colours of everything that is no data.
const (
	ink   = "#222222"
	faint = "#666666"
	rule  = "#dddddd"
)

// canvas collects the elements of a drawing. Units are pixels, y goes down.
type canvas struct {
	body          bytes.Buffer
	width, height float64
}

// box is a rectangle by its upper left corner.
type box struct{ x, y, w, h float64 }

func (c *canvas) rect(b box, fill string, opacity float64) {
	fmt.Fprintf(&c.body, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"`, px(b.x), px(b.y), px(b.w), px(b.h), fill)
	if opacity < 1 {
		fmt.Fprintf(&c.body, ` fill-opacity="%s"`, px(opacity))
	}
	c.body.WriteString("/>\n")
}

func (c *canvas) circle(x, y, r float64, fill string) {
	fmt.Fprintf(&c.body, `<circle cx="%s" cy="%s" r="%s" fill="%s"/>`+"\n", px(x), px(y), px(r), fill)
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke string) {
	fmt.Fprintf(&c.body, `<path d="M%s %sL%s %s" stroke="%s"/>`+"\n", px(x1), px(y1), px(x2), px(y2), stroke)
}

// pen says how a path is drawn.
type pen struct {
	color string
	width float64
	dash  string // as SVG has it; empty: none
}

// dashes are those of predictions, dots those of marks.
const (
	dashes = "6 4"
	dots   = "2 3"
)

// stroke draws a path, d as SVG has it.
func (c *canvas) stroke(d string, p pen) {
	fmt.Fprintf(&c.body, `<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"`, d, p.color, px(p.width))
	if p.dash != "" {
		fmt.Fprintf(&c.body, ` stroke-dasharray="%s"`, p.dash)
	}
	c.body.WriteString("/>\n")
}

// fill fills a path.
func (c *canvas) fill(d, color string, opacity float64) {
	fmt.Fprintf(&c.body, `<path d="%s" fill="%s"`, d, color)
	if opacity < 1 {
		fmt.Fprintf(&c.body, ` fill-opacity="%s"`, px(opacity))
	}
	c.body.WriteString("/>\n")
}

// The places of a text around its point.
const (
	start  = "start"
	middle = "middle"
	end    = "end"
)

// label is a text in a drawing.
type label struct {
	text   string
	size   float64
	fill   string
	anchor string // start, middle or end
	turned bool   // reads upwards
	bold   bool
	halo   bool // a white edge, for a text upon a drawing
}

func (c *canvas) text(x, y float64, l label) {
	fmt.Fprintf(&c.body, `<text x="%s" y="%s" font-size="%s" fill="%s" text-anchor="%s"`, px(x), px(y), px(l.size), l.fill, l.anchor)
	if l.bold {
		c.body.WriteString(` font-weight="bold"`)
	}
	if l.halo {
		c.body.WriteString(` paint-order="stroke" stroke="#ffffff" stroke-width="3"`)
	}
	if l.turned {
		fmt.Fprintf(&c.body, ` transform="rotate(-90 %s %s)"`, px(x), px(y))
	}
	c.body.WriteByte('>')
	_ = xml.EscapeText(&c.body, []byte(l.text)) // a buffer takes everything
	c.body.WriteString("</text>\n")
}

// svg returns the file.
func (c *canvas) svg(title string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" font-family="%s" role="img">`+"\n<title>",
		px(c.width), px(c.height), px(c.width), px(c.height), fontFamily)
	_ = xml.EscapeText(&out, []byte(title))
	fmt.Fprintf(&out, "</title>\n"+`<rect width="%s" height="%s" fill="#ffffff"/>`+"\n", px(c.width), px(c.height))
	out.Write(c.body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// px writes a length with at most two decimals.
func px(v float64) string {
	text := strconv.FormatFloat(v, 'f', 2, 64)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "-0" {
		return "0"
	}
	return text
}
