package figure

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Bounds of what Shards draws.
const (
	MaxShards = 2000 // the first so many; the figure says if there are more
	MaxLabels = 100  // with more, there are bars alone
)

// Shards shows which examples each shard has: a bar for each shard, its labels stacked, and below it a bubble for each label
// of each shard, its area in proportion to the label's share of the shard, so that small shards are as legible as large ones;
// at the right how many examples there are of each label in all. It is legible from one shard to some hundred, and shows the
// outline up to MaxShards.
type Shards struct {
	Title  string
	Notes  []string // lines below the title
	Counts [][]int  // [shard][label], rows of equal length; a single column where there are no labels
	Labels bool     // the columns are labels
}

// The measures of the figure, in pixels.
const (
	leftMargin   = 64
	rightMargin  = 24
	sideWidth    = 120 // the totals by label
	barsHeight   = 220
	panelGap     = 34
	titleSize    = 16
	noteSize     = 12
	tickSize     = 11
	lineHeight   = 18
	widestPitch  = 56
	plotWidth    = 900 // at most: 9 for each of 100 shards
	matrixHeight = 230
)

// shardsPlot is a figure with its measures.
type shardsPlot struct {
	Shards
	canvas
	shards, labels int
	pitch          float64 // width of a shard
	row            float64 // height of a label; 0: no matrix
	top            float64 // of the bars
}

// SVG draws the figure.
func (s Shards) SVG() []byte {
	p := &shardsPlot{Shards: s, shards: min(len(s.Counts), MaxShards)}
	if p.shards > 0 {
		p.labels = len(s.Counts[0])
	}
	if p.shards < len(s.Counts) {
		p.Notes = append(p.Notes, fmt.Sprintf("only the first %s of %s shards are drawn", thousands(p.shards), thousands(len(s.Counts))))
	}
	p.pitch = min(widestPitch, plotWidth/float64(max(1, p.shards)))
	if s.Labels && p.labels <= MaxLabels {
		p.row = min(24, max(8, matrixHeight/float64(max(1, p.labels))))
	}
	p.top = 40 + lineHeight*float64(len(p.Notes))
	p.width = leftMargin + rightMargin + max(p.inner()+p.side(), widest(p.Notes, noteSize), widest([]string{p.Title}, titleSize))
	p.height = p.bottom() + 46
	p.heading()
	p.bars()
	if p.row > 0 {
		p.matrix()
		p.totals()
	}
	p.shardAxis()
	return p.svg(s.Title)
}

// widest returns a width in which every line has room, in whatever font.
func widest(lines []string, size float64) float64 {
	most := 0
	for _, line := range lines {
		most = max(most, utf8.RuneCountInString(line))
	}
	return 0.6 * size * float64(most)
}

func (p *shardsPlot) inner() float64 { return p.pitch * float64(p.shards) }

func (p *shardsPlot) side() float64 {
	if p.row == 0 {
		return 0
	}
	return sideWidth
}

// bottom is where the axis of the shards is.
func (p *shardsPlot) bottom() float64 {
	bars := p.top + barsHeight
	if p.row == 0 {
		return bars
	}
	return bars + panelGap + p.row*float64(p.labels)
}

// x returns the left edge of a shard.
func (p *shardsPlot) x(shard int) float64 { return leftMargin + p.pitch*float64(shard) }

func (p *shardsPlot) heading() {
	p.text(leftMargin, 26, label{text: p.Title, size: titleSize, fill: ink, anchor: start, bold: true})
	for i, note := range p.Notes {
		p.text(leftMargin, 28+lineHeight*float64(i+1), label{text: note, size: noteSize, fill: faint, anchor: start})
	}
}

func sum(counts []int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// bars draws a bar for each shard, label 0 at the bottom.
func (p *shardsPlot) bars() {
	highest := 1
	for _, row := range p.Counts[:p.shards] {
		highest = max(highest, sum(row))
	}
	ground := p.top + barsHeight
	scale := (barsHeight - 6) / float64(highest)
	for tick, by := 0, step(float64(highest)/5); tick <= highest; tick += by {
		y := ground - scale*float64(tick)
		p.line(leftMargin, y, leftMargin+p.inner(), y, rule)
		p.text(leftMargin-8, y+4, label{text: thousands(tick), size: tickSize, fill: faint, anchor: end})
	}
	p.text(16, p.top+barsHeight/2, label{text: "examples", size: noteSize, fill: ink, anchor: middle, turned: true})
	width := p.pitch * 0.84
	if p.pitch < 4 {
		width = p.pitch
	}
	for k, row := range p.Counts[:p.shards] {
		y := ground
		for c, n := range row {
			if n > 0 {
				h := scale * float64(n)
				y -= h
				p.rect(box{p.x(k) + (p.pitch-width)/2, y, width, h}, color(c, p.labels), 1)
			}
		}
	}
	p.line(leftMargin, ground, leftMargin+p.inner(), ground, faint)
}

// y returns the middle of a label's row, label 0 at the bottom as in the bars.
func (p *shardsPlot) y(c int) float64 { return p.bottom() - p.row*(float64(c)+0.5) }

// matrix draws a bubble for each label of each shard; where there is no room for bubbles, a cell as dark as it is full.
func (p *shardsPlot) matrix() {
	every := step(14 / p.row)
	for c := range p.labels {
		if c%every == 0 {
			p.line(leftMargin, p.y(c), leftMargin+p.inner(), p.y(c), "#f0f0f0")
			p.text(leftMargin-8, p.y(c)+4, label{text: fmt.Sprint(c), size: tickSize, fill: faint, anchor: end})
		}
	}
	p.text(16, p.bottom()-p.row*float64(p.labels)/2, label{text: "label", size: noteSize, fill: ink, anchor: middle, turned: true})
	room := min(p.pitch, p.row)
	p.text(leftMargin, p.bottom()-p.row*float64(p.labels)-8, label{text: "share of the shard", size: tickSize, fill: faint, anchor: start})
	largest := p.largestShare()
	for k, row := range p.Counts[:p.shards] {
		all := float64(max(1, sum(row)))
		for c, n := range row {
			share := math.Sqrt(float64(n) / all / largest)
			switch {
			case n == 0:
			case room < 5:
				p.rect(box{p.x(k), p.y(c) - p.row/2, p.pitch, p.row}, color(c, p.labels), max(0.08, share))
			default:
				p.circle(p.x(k)+p.pitch/2, p.y(c), max(0.7, share*room*0.48), color(c, p.labels))
			}
		}
	}
}

// largestShare is that of any label of any shard: what a whole bubble stands for.
func (p *shardsPlot) largestShare() float64 {
	largest := 1e-9
	for _, row := range p.Counts[:p.shards] {
		for _, n := range row {
			largest = max(largest, float64(n)/float64(max(1, sum(row))))
		}
	}
	return largest
}

// totals draws how many examples all shards have of each label, those that are not drawn too.
func (p *shardsPlot) totals() {
	totals := make([]int, p.labels)
	for _, row := range p.Counts {
		for c, n := range row {
			totals[c] += n
		}
	}
	most := 1
	for _, n := range totals {
		most = max(most, n)
	}
	left := leftMargin + p.inner() + 14
	p.text(left, p.bottom()-p.row*float64(p.labels)-8, label{text: "all shards", size: tickSize, fill: faint, anchor: start})
	for c, n := range totals {
		w := (sideWidth - 60) * float64(n) / float64(most)
		p.rect(box{left, p.y(c) - p.row*0.35, w, p.row * 0.7}, color(c, p.labels), 1)
		if p.row >= 12 {
			p.text(left+w+5, p.y(c)+4, label{text: thousands(n), size: tickSize, fill: faint, anchor: start})
		}
	}
}

func (p *shardsPlot) shardAxis() {
	y := p.bottom()
	every := step(26 / p.pitch)
	for k := 0; k < p.shards; k += every {
		x := p.x(k) + p.pitch/2
		p.line(x, y, x, y+4, faint)
		p.text(x, y+17, label{text: fmt.Sprint(k), size: tickSize, fill: faint, anchor: middle})
	}
	p.text(leftMargin+p.inner()/2, y+36, label{text: "shard", size: noteSize, fill: ink, anchor: middle})
}
