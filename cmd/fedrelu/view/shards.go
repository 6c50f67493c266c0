package view

import (
	"fmt"
	"io"
	"strconv"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Shards is the document of `shards --json`.
type Shards struct {
	Partition     string         `json:"partition"`
	Examples      int            `json:"examples"` // in all shards
	Classes       int            `json:"classes"`  // 0: targets instead of labels
	Shards        []ShardCounts  `json:"shards"`
	Heterogeneity *Heterogeneity `json:"heterogeneity"` // null without labels
}

// ShardCounts is the number of examples of one shard, in all and by label.
type ShardCounts struct {
	Shard    int   `json:"shard"`
	Examples int   `json:"examples"`
	Labels   []int `json:"labels"`
}

// Heterogeneity is shard.Heterogeneity with the names that JSON has for it.
type Heterogeneity struct {
	MinSize            int     `json:"min_size"`
	MaxSize            int     `json:"max_size"`
	MeanSize           float64 `json:"mean_size"`
	SizeStdDev         float64 `json:"size_std_dev"`
	MeanLabels         float64 `json:"mean_labels"`
	MeanEntropy        float64 `json:"mean_entropy"`
	PooledEntropy      float64 `json:"pooled_entropy"`
	MeanTotalVariation float64 `json:"mean_total_variation"`
}

// NewShards returns the document of a split. labels may be nil and classes 0.
func NewShards(partition string, shards shard.Shards, labels []int32, classes int) Shards {
	d := Shards{Partition: partition, Classes: classes, Shards: []ShardCounts{}}
	counts := make([][]int, len(shards))
	if classes > 0 {
		counts = shard.Counts(shards, labels, classes)
		h := shard.Measure(counts)
		d.Heterogeneity = &Heterogeneity{
			h.MinSize, h.MaxSize, h.MeanSize, h.StdDev, h.MeanClasses, h.MeanEntropy, h.PooledEntropy, h.MeanTotalVariation,
		}
	}
	for k, examples := range shards {
		d.Examples += len(examples)
		d.Shards = append(d.Shards, ShardCounts{Shard: k, Examples: len(examples), Labels: list(counts[k])})
	}
	return d
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

func (d Shards) writeNotes(w io.Writer) error {
	if d.Classes > maxColumns {
		if _, err := fmt.Fprintf(w, "labels %d to %d are not shown; --json has them all\n", maxColumns, d.Classes-1); err != nil {
			return err
		}
	}
	t := Table{}
	t.Add("partition", d.Partition)
	t.Add("examples", fmt.Sprintf("%d in %s", d.Examples, plural(len(d.Shards), "shard")))
	if h := d.Heterogeneity; h != nil {
		t.Add("sizes", fmt.Sprintf("%d to %d, mean %.1f, standard deviation %.1f", h.MinSize, h.MaxSize, h.MeanSize, h.SizeStdDev))
		t.Add("labels", fmt.Sprintf("%.2f of %d in a shard on average", h.MeanLabels, d.Classes))
		t.Add("entropy", fmt.Sprintf("%.3f nats on average, %.3f of all shards together", h.MeanEntropy, h.PooledEntropy))
		t.Add("variation", fmt.Sprintf("%.3f mean total variation from all shards together", h.MeanTotalVariation))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return t.Write(w)
}
