package mnist

import (
	"testing"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

func TestLoad(t *testing.T) {
	d, err := Load(shard.All)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(d.Train.N, d.Train.Classes, d.Train.Shape, d.Test.N, d.Fingerprint())
}
