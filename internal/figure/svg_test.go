package figure

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var figuresTo = flag.String("figures", "", "write the figures of the tests to this folder, to look at them")

func series(n int, f func(x float64) float64, x0, x1 float64) (xs, ys []float64) {
	for i := range n {
		x := x0 + (x1-x0)*float64(i)/float64(max(1, n-1))
		xs, ys = append(xs, x), append(ys, f(x))
	}
	return xs, ys
}

func shifted(ys []float64, factor float64) []float64 {
	out := make([]float64, len(ys))
	for i, y := range ys {
		out[i] = y * factor
	}
	return out
}

func line(name string, style Style, group int, xs, ys []float64) Line {
	return Line{Name: name, Style: style, Group: group, X: xs, Y: ys}
}

// samples are figures as they should look, and such as try to spoil them.
func samples() map[string]*Figure {
	nan, inf := math.NaN(), math.Inf(1)
	var decay []Line
	for g, name := range []string{"K = 1", "K = 2", "K = 8"} {
		xs, ys := series(40, func(x float64) float64 { return math.Exp(-x/float64(10+5*g)) + 0.01 }, 0, 100)
		decay = append(decay, Line{Name: name, X: xs, Y: ys, Lo: shifted(ys, 0.8), Hi: shifted(ys, 1.25), Style: LinePoints, Group: g + 1},
			line("predicted", Dashed, g+1, xs, shifted(ys, 1.1)))
	}
	hs := []float64{1, 10, 100, 1000}
	long, wavy := series(50000, func(x float64) float64 { return math.Sin(x) + 0.3*math.Sin(37*x) }, 0, 60)
	small := Panel{Title: "Rank of the average", X: "local steps H", Y: "eps-rank at 0.01", LogX: true,
		Lines: []Line{line("average", LinePoints, 1, hs, []float64{64, 50, 31, 12}), line("members", LinePoints, 2, hs, []float64{64, 60, 58, 55})},
		Marks: []Mark{{Name: "full rank", At: 64}, {Name: "H* predicted", At: 60, Vertical: true}}}
	awkward := Panel{Title: "gaps, infinities and what is not positive", X: "x", Y: "y", LogY: true, Lines: []Line{
		line("gaps", LinePoints, 0, []float64{1, 2, 3, 4, 5, 6}, []float64{1, nan, 3, 0, -1, inf}), line("alone", Solid, 0, []float64{3}, []float64{2})}}
	heat := &Heat{XTicks: []string{"1", "10", "100"}, YTicks: []string{"wd 0", "wd 1e-4", "wd 5e-3", "wd 1e-2"},
		Values: [][]float64{{64, 63.5, 60}, {50, 31, nan}, {20, 8, 3}, {2, inf, 1}}, Framed: [][]bool{{false, true, false}, {false, false, false}, {true, false, false}, {false, false, false}}}
	signed := &Heat{XTicks: []string{"a very long name of a column", "b", "c"}, YTicks: []string{"x", "y"}, Values: [][]float64{{-2, 0, 1}, {0.5, -0.25, 2}}, Format: "%+.2f"}
	one := func(v float64) Panel {
		return Panel{Title: fmt.Sprint(v), X: "x", Y: "y", Lines: []Line{line("", Points, 0, []float64{1}, []float64{v})}}
	}
	many := Panel{Title: "more lines than colours", X: "round", Y: "loss"}
	for i := range 16 {
		xs, ys := series(20, func(x float64) float64 { return float64(i) + math.Sqrt(x) }, 0, 20)
		many.Lines = append(many.Lines, line(fmt.Sprintf("shard %d", i), Solid, 0, xs, ys))
	}
	dense := &Heat{}
	for i := range 40 {
		dense.XTicks = append(dense.XTicks, fmt.Sprint(i))
	}
	for i := range 12 {
		dense.YTicks = append(dense.YTicks, fmt.Sprint("layer ", i))
		row := make([]float64, 40)
		for j := range row {
			row[j] = math.Exp(float64(i+j) / 4)
		}
		dense.Values = append(dense.Values, row)
	}
	return map[string]*Figure{
		"decay": {Title: "Weight decay alone takes the rank", Caption: "Singular values of the average fall as exp(-2 eta lambda t), whatever H is. Points are means of five seeds, bands their 95% intervals, dashed lines are predictions from the spec alone.",
			Panels: []Panel{{Title: "Norm of what no gradient reaches", X: "epochs", Y: "||W_perp||, relative to round 0", LogY: true, Lines: decay, Marks: []Mark{{Name: "float32 ends here", At: 0.02}, {Name: "onset", At: 40, Vertical: true}, {Name: "predicted onset", At: 44, Vertical: true}}}}},
		"grid": {Title: "What averaging does to rank", Caption: "Six panels.", Panels: []Panel{small, small, {Title: "table", X: "H", Heat: heat}, awkward, {Title: "signs", X: "a", Y: "b", Heat: signed}, small}},
		"four": {Title: "Awkward data", Panels: []Panel{awkward, {Title: "nothing", X: "x", Y: "y"}, one(5), one(0)}},
		"ranges": {Title: "Huge, tiny and narrow ranges", Columns: 3, Panels: []Panel{
			{Title: "huge", X: "x", Y: "y", Lines: []Line{line("", Solid, 0, []float64{-1e308, 1e308}, []float64{-1e308, 1e308})}},
			{Title: "huge, logarithmic", X: "x", Y: "y", LogX: true, LogY: true, Lines: []Line{line("", Solid, 0, []float64{1e-320, 1e308}, []float64{1e-300, 1e300})}},
			{Title: "narrow", X: "x", Y: "loss", Lines: []Line{line("", Solid, 0, []float64{1e6, 1e6 + 1}, []float64{0.69314718, 0.69314719})}},
			{Title: "narrow, logarithmic", X: "x", Y: "loss", LogX: true, LogY: true, Lines: []Line{line("", LinePoints, 0, []float64{100, 104}, []float64{1.2, 1.9})}},
			{Title: "equal", X: "x", Y: "y", LogY: true, Lines: []Line{line("", LinePoints, 0, []float64{1, 2, 3}, []float64{1e-7, 1e-7, 1e-7})}},
			{Title: "tiny", X: "x", Y: "y", Lines: []Line{line("", LinePoints, 0, []float64{0, 2e-8, 3e-8}, []float64{-1e-12, 2e-12, 5e-13})}}}},
		"many":  {Title: "Many", Panels: []Panel{many, {Title: "long", X: "t", Y: "sin", Lines: []Line{line("a long series", Solid, 0, long, wavy)}}}},
		"dense": {Title: "A dense table", Columns: 1, Panels: []Panel{{Title: "numbers have no room", X: "step", Heat: dense}}},
		"empty": {Title: "No panel", Caption: "Nothing was measured."},
	}
}

func drawn(t interface{ Fatalf(string, ...any) }, f *Figure) []byte {
	var out bytes.Buffer
	if err := f.SVG(&out); err != nil {
		t.Fatalf("drawing %s: %v", f.Title, err)
	}
	return out.Bytes()
}

// textBox is the ground that a text covers.
func textBox(t *testing.T, e element) box {
	size, text := e.number(t, "font-size"), strings.TrimSpace(e.text)
	b := box{e.number(t, "x"), e.number(t, "y") - 0.75*size, textWidth(text, size) / slack, 0.9 * size}
	switch e.attr["text-anchor"] {
	case middle:
		b.x -= b.w / 2
	case end:
		b.x -= b.w
	}
	if e.attr["transform"] != "" { // turned around its point, to read upwards
		dx, dy := b.x-e.number(t, "x"), b.y-e.number(t, "y")
		b = box{e.number(t, "x") + dy, e.number(t, "y") - dx - b.w, b.h, b.w}
	}
	return b
}

// illegible says what is wrong with the texts of a drawing: outside of it, or one upon another; empty if nothing is.
func illegible(t *testing.T, svg []byte) string {
	t.Helper()
	all := elements(t, svg)
	sheet := box{0, 0, all[0].number(t, "width"), all[0].number(t, "height")}
	texts := named(all, "text")
	for i, e := range texts {
		b := textBox(t, e)
		if b.x < 0 || b.y < 0 || b.x+b.w > sheet.w || b.y+b.h > sheet.h {
			return fmt.Sprintf("%q leaves the drawing: %v of %v", e.text, b, sheet)
		}
		for _, o := range texts[:i] {
			if b.overlaps(textBox(t, o)) {
				return fmt.Sprintf("%q lies upon %q", e.text, o.text)
			}
		}
	}
	if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		return "a coordinate is no number"
	}
	return ""
}

func TestFigures(t *testing.T) {
	for name, f := range samples() {
		svg := drawn(t, f)
		if wrong := illegible(t, svg); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
		if !bytes.Equal(svg, drawn(t, f)) {
			t.Errorf("%s: two drawings of the same figure differ", name)
		}
		if len(svg) > 400_000 {
			t.Errorf("%s: %d bytes", name, len(svg))
		}
		if *figuresTo != "" {
			if err := os.WriteFile(filepath.Join(*figuresTo, name+".svg"), svg, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// Whatever the numbers are, a figure comes out, with texts apart and no coordinate that is no number.
func TestAnyNumbers(t *testing.T) {
	value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-3, 3), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1, 1e-310, -1e300, math.MaxFloat64}))
	rapid.Check(t, func(rt *rapid.T) {
		p := Panel{Title: "any", X: "x", Y: "y", LogX: rapid.Bool().Draw(rt, "log x"), LogY: rapid.Bool().Draw(rt, "log y")}
		for i := range rapid.IntRange(0, 3).Draw(rt, "lines") {
			n := rapid.IntRange(0, 6).Draw(rt, "n")
			values := func(name string) []float64 { return rapid.SliceOfN(value, n, n).Draw(rt, name) }
			p.Lines = append(p.Lines, Line{Name: fmt.Sprint("line ", i), X: values("x"), Y: values("y"), Lo: values("lo"), Hi: values("hi"), Style: Style(i)})
		}
		for range rapid.IntRange(0, 4).Draw(rt, "marks") {
			p.Marks = append(p.Marks, Mark{Name: "a mark", At: value.Draw(rt, "at"), Vertical: rapid.Bool().Draw(rt, "vertical")})
		}
		if wrong := illegible(t, drawn(rt, &Figure{Title: "any", Panels: []Panel{p}})); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// What is too small for steps between ticks is shown as the zero that it is beside anything else.
func TestSubnormalMarks(t *testing.T) {
	p := Panel{Title: "any", X: "x", Y: "y", Marks: []Mark{{Name: "a mark", At: 0}, {Name: "a mark", At: 1e-310}}}
	if wrong := illegible(t, drawn(t, &Figure{Title: "any", Panels: []Panel{p}})); wrong != "" {
		t.Error(wrong)
	}
}

// The points of a series stand where a ruler would put them: between the pixels of two ticks, in proportion, on either axis.
func TestPointsStandOnTheirScale(t *testing.T) {
	for _, log := range []bool{false, true} {
		a := newAxis([]float64{1, 10, 100, 1000}, nil, log, span{400, true})
		a.from, a.to = 100, 500
		place := func(v float64) float64 { return a.at(v) - a.at(1) }
		want := 999.0 / 99
		if log {
			want = 3.0 / 2
		}
		if got := place(1000) / place(100); math.Abs(got-want) > 1e-9 {
			t.Errorf("log %v: 1000 is %v times as far from 1 as 100, want %v", log, got, want)
		}
		for _, tick := range a.ticks {
			if !a.inside(tick.at) {
				t.Errorf("log %v: tick %v outside of %v to %v", log, tick, a.lo, a.hi)
			}
		}
	}
}

func TestTickLabels(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		log    bool
		want   string
		note   string
	}{
		{0, 100, false, "0 20 40 60 80 100", ""},
		{-1, 1, false, "−1.0 −0.5 0.0 0.5 1.0", ""},
		{0, 60000, false, "0 20,000 40,000 60,000", ""},
		{0, 3e-8, false, "0 1 2 3", " (× 10⁻⁸)"},
		{1, 1000, true, "1 3 10 30 100 300 1000", ""},
		{1e-10, 1e4, true, "10⁻¹⁰ 10⁻⁸ 10⁻⁶ 10⁻⁴ 10⁻² 10⁰ 10² 10⁴", ""},
	} {
		a := newAxis([]float64{c.lo, c.hi}, nil, c.log, span{420, true})
		if got := strings.Join(a.labels(), " "); got != c.want || a.note != c.note {
			t.Errorf("%v to %v: %q %q, want %q %q", c.lo, c.hi, got, a.note, c.want, c.note)
		}
	}
}

// A narrow axis has two labels at least where they fit: one alone would not be a scale.
func TestNarrowAxisHasAScale(t *testing.T) {
	for _, hi := range []float64{1, 7, 200, 60000, 200000, 1e7} {
		a := newAxis([]float64{0, hi}, nil, false, span{215, true})
		if len(a.ticks) < 2 || !a.fits(a.ticks, span{215, true}) {
			t.Errorf("0 to %v: ticks %q", hi, a.labels())
		}
	}
}

// A line of a great many points is drawn with few, and with its highest and lowest one.
func TestThinKeepsExtremes(t *testing.T) {
	run := make([]point, 100_000)
	for i := range run {
		run[i] = point{float64(i) / 500, 50}
	}
	run[33_333].y, run[77_777].y = 1, 99
	kept := thin(run)
	low, high := 50.0, 50.0
	for _, q := range kept {
		low, high = min(low, q.y), max(high, q.y)
	}
	if low != 1 || high != 99 || len(kept) > 2500 || kept[0] != run[0] || kept[len(kept)-1] != run[len(run)-1] {
		t.Errorf("%d points between %v and %v, from %v to %v", len(kept), low, high, kept[0], kept[len(kept)-1])
	}
}

// What cannot be drawn is counted in words, gaps that were meant are not.
func TestSaysWhatIsMissing(t *testing.T) {
	f := &Figure{Panels: []Panel{{LogY: true, Lines: []Line{line("", Points, 0, []float64{1, 2, 3, 4}, []float64{1, 0, -1, math.NaN()})}}, {}}}
	all := elements(t, drawn(t, f))
	for _, text := range []string{"2 values are not positive or infinite: not drawn", "nothing to draw"} {
		if !hasText(all, text) {
			t.Errorf("no text %q", text)
		}
	}
}

func TestColours(t *testing.T) {
	lines := func(names ...string) Panel {
		var p Panel
		for _, n := range names {
			p.Lines = append(p.Lines, Line{Name: n})
		}
		return p
	}
	c := assign([]Panel{lines("a", "b"), lines("b", "c", "a")})
	if c[0][0] != c[1][2] || c[0][1] != c[1][0] || c[1][1] == c[0][0] || c[1][1] == c[0][1] {
		t.Errorf("names do not keep their colours over panels: %v", c)
	}
	group := Panel{Lines: []Line{{Name: "measured", Group: 3}, {Name: "predicted", Group: 3}, {Name: "other"}}}
	if c := assign([]Panel{group}); c[0][0] != c[0][1] || c[0][0] == c[0][2] {
		t.Errorf("groups: %v", c)
	}
	seen := map[string]bool{}
	for i := range 30 {
		seen[hue(i, 30)] = true
	}
	if len(seen) != 30 {
		t.Errorf("%d colours of 30", len(seen))
	}
}

func TestShapesMustAgree(t *testing.T) {
	for name, p := range map[string]Panel{
		"x and y": {Lines: []Line{{X: []float64{1}, Y: nil}}},
		"band":    {Lines: []Line{{X: []float64{1}, Y: []float64{1}, Lo: []float64{1}}}},
		"rows":    {Heat: &Heat{XTicks: []string{"a"}, Values: [][]float64{{1}}}},
		"columns": {Heat: &Heat{YTicks: []string{"a"}, Values: [][]float64{{1}}}},
		"frames":  {Heat: &Heat{XTicks: []string{"a"}, YTicks: []string{"b"}, Values: [][]float64{{1}}, Framed: [][]bool{{}}}},
	} {
		if err := (&Figure{Panels: []Panel{p}}).SVG(&bytes.Buffer{}); !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v, want ErrShape", name, err)
		}
	}
}
