package coordinator

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/fedrelu/fedrelu/localsgd"
	"github.com/fedrelu/fedrelu/localsgd/keyed"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Updates come back as they came, by shard and from any element on, in memory, on the disk, and in the next round.
func TestUpdatesAreKept(t *testing.T) {
	const size, n = readBytes/4 + 1000, 7
	dir := t.TempDir()
	u := newUpdates(dir, 4*size, 3*4*size)
	defer u.close()
	for round := range uint64(3) {
		s := keyed.New(round, "updates")
		u.reset()
		want := make(map[int][]float32)
		for _, k := range s.Perm(n) {
			block := make([]float32, size)
			for j := range block {
				block[j] = float32(s.Normal())
			}
			want[int(k)] = block
			if err := u.add(localsgd.Share{Shard: int(k), Weight: 5}, bytes.NewReader(slices.Concat(slices.Collect(tensor.Chunks(block, 1<<20))...))); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.add(localsgd.Share{Shard: 2}, nil); !errors.Is(err, localsgd.ErrOverlap) {
			t.Errorf("a shard twice: %v", err)
		}
		for i, share := range u.Shares() {
			for _, r := range [][2]int{{0, size}, {0, 1}, {size - 1, size}, {17, readBytes/4 + 20}} {
				got := make([]float32, r[1]-r[0])
				if err := u.Read(got, i, r[0]); err != nil {
					t.Fatal(err)
				}
				if share.Shard != i || !slices.Equal(got, want[i][r[0]:r[1]]) {
					t.Errorf("round %d: elements %v of shard %d (%+v) are others", round, r, i, share)
				}
			}
		}
	}
	if info, err := u.file.Stat(); err != nil || info.Size() != 4*4*size || len(u.memory) != 3 {
		t.Errorf("%d updates in memory and a file %v, %v, want 3 and the 4 others", len(u.memory), info, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("files %v, %v are left behind", left, err)
	}
}
