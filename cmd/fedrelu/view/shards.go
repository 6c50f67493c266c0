package view

import (
	"fmt"
	"io"
	"strconv"

	"github.com/fedrelu/fedrelu/internal/figure"
	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Shards is the document of `shards --json`.
type Shards struct {
	Partition     string        `json:"partition"`
	Examples      int           `json:"examples"` // in all shards
	Classes       int           `json:"classes"`  // 0: targets instead of labels
	Shards        []ShardCounts `json:"shards"`
	Heterogeneity Heterogeneity `json:"heterogeneity"`
}

// ShardCounts is the number of examples of one shard, in all and by label.
type ShardCounts struct {
	Shard    int   `json:"shard"`
	Examples int   `json:"examples"`
	Labels   []int `json:"labels"`
}

// Heterogeneity is shard.Heterogeneity with the names that JSON has for it. Entropies are in nats; what is about labels is
// null without labels.
type Heterogeneity struct {
	MinSize            int      `json:"min_size"`
	MedianSize         float64  `json:"median_size"`
	MaxSize            int      `json:"max_size"`
	MeanSize           float64  `json:"mean_size"`
	SizeStdDev         float64  `json:"size_std_dev"`
	SizeVariation      float64  `json:"size_variation"` // standard deviation / mean
	MeanLabels         *float64 `json:"mean_labels"`
	MeanEntropy        *float64 `json:"mean_entropy"`
	PooledEntropy      *float64 `json:"pooled_entropy"`
	MeanTotalVariation *float64 `json:"mean_total_variation"`
}

// NewShards returns the document of a split. labels may be nil and classes 0.
func NewShards(partition string, shards shard.Shards, labels []int32, classes int) Shards {
	d := Shards{Partition: partition, Classes: classes, Shards: []ShardCounts{}}
	counts := make([][]int, len(shards))
	if classes > 0 {
		counts = shard.Counts(shards, labels, classes)
	}
	for k, examples := range shards {
		d.Examples += len(examples)
		d.Shards = append(d.Shards, ShardCounts{Shard: k, Examples: len(examples), Labels: list(counts[k])})
	}
	h := shard.Measure(d.columns())
	d.Heterogeneity = Heterogeneity{
		MinSize: h.MinSize, MedianSize: h.MedianSize, MaxSize: h.MaxSize,
		MeanSize: h.MeanSize, SizeStdDev: h.StdDev, SizeVariation: h.Variation,
	}
	if classes > 0 {
		d.Heterogeneity.MeanLabels, d.Heterogeneity.MeanTotalVariation = &h.MeanClasses, &h.MeanTotalVariation
		d.Heterogeneity.MeanEntropy, d.Heterogeneity.PooledEntropy = &h.MeanEntropy, &h.PooledEntropy
	}
	return d
}

// columns returns the counts by label, or the sizes where there are no labels.
func (d Shards) columns() [][]int {
	var rows [][]int
	for _, s := range d.Shards {
		if d.Classes > 0 {
			rows = append(rows, s.Labels)
		} else {
			rows = append(rows, []int{s.Examples})
		}
	}
	return rows
}

// Figure returns the document as a drawing (SVG) with a title.
func (d Shards) Figure(title string) []byte {
	s := figure.Shards{Title: title, Counts: d.columns(), Labels: d.Classes > 0}
	s.Notes = append(s.Notes, fmt.Sprintf("%s: %d examples in %s, sizes %s", d.Partition, d.Examples, plural(len(d.Shards), "shard"), d.sizes()))
	if h := d.Heterogeneity; h.MeanLabels != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("%.2f of %d labels in a shard, entropy %.3f of %.3f nats, total variation %.3f from all shards together",
			*h.MeanLabels, d.Classes, *h.MeanEntropy, *h.PooledEntropy, *h.MeanTotalVariation))
	}
	return s.SVG()
}

// maxColumns is how many labels a table shows beside each other.
const maxColumns = 26

// WriteTable writes the document for people.
func (d Shards) WriteTable(w io.Writer) error {
	columns := min(d.Classes, maxColumns)
	t := Table{RightFrom: 1, Right: []int{0}}
	head := []string{"SHARD", "EXAMPLES"}
	for c := range columns {
		head = append(head, strconv.Itoa(c))
	}
	t.Add(head...)
	for _, s := range d.Shards {
		row := []string{strconv.Itoa(s.Shard), strconv.Itoa(s.Examples)}
		for c := range columns {
			row = append(row, dash(s.Labels[c]))
		}
		t.Add(row...)
	}
	if err := t.Write(w); err != nil {
		return err
	}
	return d.writeNotes(w)
}

// dash makes empty cells easy to see.
func dash(n int) string {
	if n == 0 {
		return "."
	}
	return strconv.Itoa(n)
}

// sizes says how large the shards are.
func (d Shards) sizes() string {
	h := d.Heterogeneity
	return fmt.Sprintf("%d to %d, median %s, coefficient of variation %.3f", h.MinSize, h.MaxSize, strconv.FormatFloat(h.MedianSize, 'f', -1, 64), h.SizeVariation)
}

func (d Shards) writeNotes(w io.Writer) error {
	if d.Classes > maxColumns {
		if _, err := fmt.Fprintf(w, "labels %d to %d are not shown; --json has them all\n", maxColumns, d.Classes-1); err != nil {
			return err
		}
	}
	t := Table{}
	t.Add("partition", d.Partition)
	t.Add("examples", fmt.Sprintf("%d in %s", d.Examples, plural(len(d.Shards), "shard")))
	t.Add("sizes", d.sizes())
	if h := d.Heterogeneity; h.MeanLabels != nil {
		t.Add("labels", fmt.Sprintf("%.2f of %d in a shard on average", *h.MeanLabels, d.Classes))
		t.Add("entropy", fmt.Sprintf("%.3f nats on average, %.3f of all shards together", *h.MeanEntropy, *h.PooledEntropy))
		t.Add("variation", fmt.Sprintf("%.3f mean total variation from all shards together", *h.MeanTotalVariation))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return t.Write(w)
}
