package claims

import (
	"slices"

	"github.com/fedrelu/fedrelu/internal/figure"
)

// board is a figure whose panels come from several claims.
type board struct {
	places []int
	panels []figure.Panel
}

// DrawPanel hands in one panel of a figure that several claims draw together: frame has the figure's name, title, caption and
// columns, and panels stand in the order of their places. A later panel of the same place takes the earlier one's.
func (l *Lab) DrawPanel(name string, frame figure.Figure, place int, panel figure.Panel) {
	l.mu.Lock()
	if l.boards == nil {
		l.boards = map[string]*board{}
	}
	b := l.boards[name]
	if b == nil {
		b = &board{}
		l.boards[name] = b
	}
	i, found := slices.BinarySearch(b.places, place)
	if found {
		b.panels[i] = panel
	} else {
		b.places, b.panels = slices.Insert(b.places, i, place), slices.Insert(b.panels, i, panel)
	}
	frame.Panels = slices.Clone(b.panels)
	l.mu.Unlock()
	l.Draw(name, &frame)
}
