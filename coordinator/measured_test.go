package coordinator

import (
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/analysis"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// A shard that is smaller than the probe of the spec gives all it has, and the record says so (M3).
func TestDriftSaysTheProbesThatWereUsed(t *testing.T) {
	var samples []wire.DriftSample
	for _, s := range []struct{ shard, probe int }{{7, 10}, {2, 32}, {5, 3}} {
		samples = append(samples, wire.DriftSample{Probe: s.probe, Sample: analysis.Sample{Shard: s.shard, Weight: 1, NormEnd: 1, NormModel: 1}})
	}
	d, err := combineDrift(samples)
	if err != nil {
		t.Fatal(err)
	}
	if d.Probe != 32 || !slices.Equal(d.Shards, []int{2, 5, 7}) || !slices.Equal(d.Probes, []int{32, 3, 10}) {
		t.Errorf("probe %d, of shards %v: %v", d.Probe, d.Shards, d.Probes)
	}
	if d, err = combineDrift(samples[:1]); err != nil || d.Probe != 10 {
		t.Errorf("of a small shard alone %+v, %v, want a probe of 10", d, err)
	}
}
