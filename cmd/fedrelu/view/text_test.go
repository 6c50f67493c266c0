package view_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0B", 999: "999B", 1000: "1.0kB", 9949: "9.9kB", 9950: "10kB", 999_499: "999kB", 999_500: "1.0MB", 8_000_000: "8.0MB",
		math.MaxInt64: "9.2EB",
	} {
		if got := view.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0ms", 0.0121: "12ms", 0.0995: "0.1s", 1.25: "1.2s", 9.96: "10s", 59.4: "59s", 59.6: "1m00s", 80: "1m20s", 3599.9: "1h00m", 7500: "2h05m",
		-1: "?", math.Inf(1): "?",
	} {
		if got := view.Seconds(s); got != want {
			t.Errorf("Seconds(%v) = %s, want %s", s, got, want)
		}
	}
	if got := view.Seconds(math.NaN()); got != "?" {
		t.Errorf("Seconds(NaN) = %s, want ?", got)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		s     string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöü", 3, "äöü"}, {"äöüß", 3, "äö…"}, {"abc", 0, ""}} {
		if got := view.Cut(c.s, c.width); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.s, c.width, got, c.want)
		}
	}
}

func TestTableAlignsColumns(t *testing.T) {
	table := view.Table{Right: []int{1}, RightFrom: 3}
	table.Add("NAME", "N", "TEXT", "M")
	table.Add("ä", "100", "", "7")
	table.Add("longer", "2", "x")
	var out bytes.Buffer
	if err := table.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := "NAME      N  TEXT  M\nä       100        7\nlonger    2  x\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestShards(t *testing.T) {
	d := view.NewShards("iid", shard.Shards{{0, 2}, {1}}, []int32{0, 1, 1}, 2)
	var out bytes.Buffer
	if err := d.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `SHARD  EXAMPLES  0  1
    0         2  1  1
    1         1  .  1

partition  iid
examples   3 in 2 shards
sizes      1 to 2, median 1.5, coefficient of variation 0.333
labels     1.50 of 2 in a shard on average
entropy    0.347 nats on average, 0.637 of all shards together
variation  0.250 mean total variation from all shards together
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := document(t, d); !strings.Contains(got, `"labels": [`) || !strings.Contains(got, `"mean_total_variation": 0.25`) {
		t.Errorf("got\n%s", got)
	}
}

func TestShardsWithoutLabels(t *testing.T) {
	d := view.NewShards("contiguous", shard.Shards{{0, 1}}, nil, 0)
	if h := d.Heterogeneity; h.MeanEntropy != nil || h.MedianSize != 2 || d.Shards[0].Labels == nil || d.Examples != 2 {
		t.Errorf("got %+v, want two examples, no labels, sizes alone", d)
	}
	if got := document(t, d); !strings.Contains(got, `"mean_entropy": null`) {
		t.Errorf("got\n%s", got)
	}
	if svg := string(d.Figure("t")); !strings.Contains(svg, "contiguous: 2 examples in 1 shard, sizes 2 to 2") || strings.Contains(svg, "<circle") {
		t.Errorf("drawn as\n%s", svg)
	}
	var out bytes.Buffer
	if err := d.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
}
