package claims

import (
	"testing"

	"github.com/fedrelu/fedrelu/internal/figure"
)

// TestDrawPanel: panels stand in the order of their places, however they came, and a second one of a place replaces the first.
func TestDrawPanel(t *testing.T) {
	var lab Lab
	frame := figure.Figure{Title: "all", Columns: 2}
	lab.DrawPanel("f", frame, 2, figure.Panel{Title: "third"})
	lab.DrawPanel("f", frame, 0, figure.Panel{Title: "old"})
	lab.DrawPanel("g", frame, 0, figure.Panel{Title: "other"})
	lab.DrawPanel("f", frame, 1, figure.Panel{Title: "second"})
	lab.DrawPanel("f", frame, 0, figure.Panel{Title: "first"})
	drawn := lab.Figures()
	if len(drawn) != 2 || drawn[0].Name != "f" || drawn[0].Figure.Title != "all" || drawn[0].Figure.Columns != 2 {
		t.Fatalf("%d figures, want f and g with their frames", len(drawn))
	}
	panels := drawn[0].Figure.Panels
	if len(panels) != 3 || panels[0].Title != "first" || panels[1].Title != "second" || panels[2].Title != "third" {
		t.Errorf("panels of f: %+v, want first, second, third", panels)
	}
}
