package figure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// element is one element of a drawing.
type element struct {
	name string
	attr map[string]string
	text string
}

func (e element) number(t *testing.T, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(e.attr[name], 64)
	if err != nil {
		t.Fatalf("%s of %+v: %v", name, e, err)
	}
	return v
}

// elements parses a drawing, and refuses what is no XML or has anything that loads or runs.
func elements(t *testing.T, svg []byte) []element {
	t.Helper()
	var all []element
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%.300s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			if !strings.Contains(" svg title rect circle path text ", " "+e.name+" ") {
				t.Fatalf("element %s", e.name)
			}
			all = append(all, e)
		case xml.CharData:
			if len(all) > 0 {
				all[len(all)-1].text += string(token)
			}
		}
	}
}

func named(all []element, name string) []element {
	var some []element
	for _, e := range all {
		if e.name == name {
			some = append(some, e)
		}
	}
	return some
}

func hasText(all []element, text string) bool {
	for _, e := range named(all, "text") {
		if strings.TrimSpace(e.text) == text {
			return true
		}
	}
	return false
}

// Two shards by hand: 30 + 10 examples and 0 + 20. Bars are as high as their counts are, one upon the other, from a common
// ground; bubbles have areas of 3/4, 1/4 and all of their shard.
func TestShards(t *testing.T) {
	all := elements(t, Shards{Title: `a <b> & "c"`, Notes: []string{"one note"}, Counts: [][]int{{30, 10}, {0, 20}}, Labels: true}.SVG())
	rects := named(all, "rect")[1:4] // after the ground
	h := func(i int) float64 { return rects[i].number(t, "height") }
	y := func(i int) float64 { return rects[i].number(t, "y") }
	if near(h(0), 3*h(1)) && near(h(2), 2*h(1)) && near(y(1)+h(1), y(0)) && near(y(0)+h(0), y(2)+h(2)) {
		if rects[1].attr["fill"] != rects[2].attr["fill"] || rects[0].attr["fill"] == rects[1].attr["fill"] {
			t.Errorf("colours %v", rects)
		}
	} else {
		t.Errorf("bars %v", rects)
	}
	circles := named(all, "circle")
	if len(circles) != 3 {
		t.Fatalf("%d bubbles, want 3", len(circles))
	}
	area := func(i int) float64 { return math.Pow(circles[i].number(t, "r"), 2) }
	if math.Abs(area(0)/area(2)-0.75) > 0.01 || math.Abs(area(1)/area(2)-0.25) > 0.01 {
		t.Errorf("areas %v %v %v", area(0), area(1), area(2))
	}
	for _, text := range []string{`a <b> & "c"`, "one note", "examples", "label", "shard", "all shards", "30", "40"} {
		if !hasText(all, text) {
			t.Errorf("no text %q", text)
		}
	}
	if strings.TrimSpace(named(all, "title")[0].text) != `a <b> & "c"` {
		t.Error("no title")
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.03 } // two decimals

// Everything lies inside the drawing, whatever the numbers of shards and labels, and numbers of shards do not overlap.
func TestShardsFit(t *testing.T) {
	for _, c := range []struct{ shards, labels int }{{0, 0}, {1, 1}, {1, 100}, {10, 10}, {100, 10}, {100, 100}, {100, 101}, {777, 2}, {2500, 3}} {
		counts := make([][]int, c.shards)
		for k := range counts {
			counts[k] = make([]int, c.labels)
			for l := range counts[k] {
				counts[k][l] = (k*7 + l*3) % 11 * 1000
			}
		}
		svg := Shards{Title: "t", Counts: counts, Labels: c.labels > 1}.SVG()
		all := elements(t, svg)
		width, height := all[0].number(t, "width"), all[0].number(t, "height")
		last := math.Inf(-1)
		for _, e := range all[1:] {
			switch e.name {
			case "rect":
				w, h := e.number(t, "width"), e.number(t, "height")
				if e.attr["x"] != "" && (e.number(t, "x") < 0 || e.number(t, "x")+w > width+0.01 || e.number(t, "y") < 0 || e.number(t, "y")+h > height) {
					t.Fatalf("%v: outside: %v", c, e)
				}
			case "circle":
				r := e.number(t, "r")
				if e.number(t, "cx")-r < leftMargin-0.01 || e.number(t, "cx")+r > width || e.number(t, "cy")+r > height {
					t.Fatalf("%v: outside: %v", c, e)
				}
			case "text":
				x, y := e.number(t, "x"), e.number(t, "y")
				if near(y, height-46+17) && e.attr["text-anchor"] == middle {
					if x-last < 8*float64(len(strings.TrimSpace(e.text))) {
						t.Errorf("%v: the numbers of shards overlap at %q", c, e.text)
					}
					last = x
				}
			}
		}
		if hasText(all, "only the first 2,000 of 2,500 shards are drawn") != (c.shards == 2500) {
			t.Errorf("%v: says or does not say that shards are left out", c)
		}
		if again := (Shards{Title: "t", Counts: counts, Labels: c.labels > 1}).SVG(); !bytes.Equal(svg, again) {
			t.Errorf("%v: two drawings of the same numbers differ", c)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 1.5: "1.5", -0.001: "0", 2.005: "2", 1234.567: "1234.57", 100: "100"} {
		if got := px(v); got != want {
			t.Errorf("px(%v) = %s, want %s", v, got, want)
		}
	}
	for v, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 60000: "60,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%d) = %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]int{0: 1, 1: 1, 1.1: 2, 3: 5, 5.5: 10, 101: 200, 2000: 2000} {
		if got := step(v); got != want {
			t.Errorf("step(%v) = %d, want %d", v, got, want)
		}
	}
	seen := map[string]bool{}
	for i := range 100 {
		seen[color(i, 100)] = true
	}
	if len(seen) != 100 || color(3, 10) != tens[3] {
		t.Errorf("%d colours of 100", len(seen))
	}
	_ = fmt.Sprint(step(math.MaxFloat64)) // ends
}
