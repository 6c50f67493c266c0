//go:build amd64 || arm64

package kernel

import "testing"

// No call of a tile does more than maxProducts multiply-adds, whatever the shape, and all together do each row once.
func TestCallsOfAssemblyAreShort(t *testing.T) {
	for _, c := range []struct{ rows, terms, spans int }{
		{1, 1, 1}, {600, 784, 1}, {1 << 16, 128, 1}, {1 << 20, 9, 5}, {13, 60000, 1}, {1024, 1 << 16, 1}, {5, 1 << 14, 7},
	} {
		p := &product[float32]{
			a: make([]float32, 1), b: make([]float32, panelWidth), rows: c.rows, lanes: panelWidth, terms: c.terms,
			spans: spans{count: c.spans}, c: make([]float32, panelWidth),
		}
		rows, most := 0, 0
		tiles := make([]func(*tile), 12)
		for i := range tiles {
			tiles[i] = func(t *tile) {
				rows += (i + 1) * t.blocks
				most = max(most, (i+1)*t.blocks*panelWidth*t.terms*t.spans)
			}
		}
		p.runTiles(tiles, 0)
		if rows != c.rows || most > maxProducts {
			t.Errorf("%v: %d rows, up to %d multiply-adds a call, at most %d are allowed", c, rows, most, maxProducts)
		}
	}
}
