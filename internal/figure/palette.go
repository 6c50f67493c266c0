package figure

import (
	"fmt"
	"math"
)

// hues are colours that stay apart on white for those who see few of them too (after Okabe and Ito), the darkest first.
var hues = []string{"#0072b2", "#d55e00", "#009e73", "#b5478f", "#e69f00", "#4aa8dc", "#5b5b5b"}

// viridis are the corners of a scale from dark to light that grows lighter for every eye; its lightest end is left out, since
// it would vanish on white.
var viridis = [][3]float64{{68, 1, 84}, {65, 68, 135}, {42, 120, 142}, {34, 168, 132}, {122, 190, 70}, {205, 190, 40}}

// hue returns the colour of item i of n: one of hues, or where there are more, a place on a scale.
func hue(i, n int) string {
	if n <= len(hues) {
		return hues[i]
	}
	return between(viridis, float64(i)/float64(n-1))
}

// between returns the colour at t in 0..1 of a scale.
func between(corners [][3]float64, t float64) string {
	at := max(0, min(1, t)) * float64(len(corners)-1)
	i := min(int(at), len(corners)-2)
	var c [3]float64
	for k := range c {
		c[k] = corners[i][k] + (at-float64(i))*(corners[i+1][k]-corners[i][k])
	}
	return fmt.Sprintf("#%02x%02x%02x", byte(math.Round(c[0])), byte(math.Round(c[1])), byte(math.Round(c[2])))
}

// blues are the shades of a table of values of one sign, diverging those of a table with both: its middle is zero.
var (
	blues     = [][3]float64{{247, 250, 253}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}}
	diverging = [][3]float64{{178, 88, 6}, {241, 163, 64}, {254, 224, 182}, {247, 247, 247}, {209, 229, 240}, {103, 169, 207}, {33, 102, 172}}
)

// colours says which of how many colours each line has, by panel and line.
type colours [][]place

type place struct{ index, of int }

// assign gives the same colour to lines of one group, and to lines of one name, in all panels. Where that takes more colours
// than stay apart, each panel begins anew.
func assign(panels []Panel) colours {
	all := assignOne(panels)
	for _, row := range all {
		for _, p := range row {
			if p.of > len(hues) {
				return assignEach(panels)
			}
		}
	}
	return all
}

func assignEach(panels []Panel) colours {
	var out colours
	for i := range panels {
		out = append(out, assignOne(panels[i:i+1])...)
	}
	return out
}

func assignOne(panels []Panel) colours {
	index := map[string]int{}
	out := make(colours, len(panels))
	for i, p := range panels {
		for j, l := range p.Lines {
			key := colourKey(l, i, j)
			if _, ok := index[key]; !ok {
				index[key] = len(index)
			}
			out[i] = append(out[i], place{index: index[key]})
		}
	}
	for i := range out {
		for j := range out[i] {
			out[i][j].of = len(index)
		}
	}
	return out
}

func colourKey(l Line, panel, line int) string {
	switch {
	case l.Group != 0:
		return fmt.Sprintf("group %d", l.Group)
	case l.Name != "":
		return "name " + l.Name
	}
	return fmt.Sprintf("line %d %d", panel, line)
}

func (p place) color() string { return hue(p.index, max(1, p.of)) }
