//go:build linux

package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/store"
)

// TestDirectoryInUse: what a coordinator holds nobody else writes or reads, and is told within a second where to ask.
func TestDirectoryInUse(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	spec := writeSpec(t, data, "abuse.yaml", abuseSpec)
	c := newCluster(t, t.TempDir(), data, 0)
	for _, args := range [][]string{
		{"coordinator", "--listen", address(t), "--dir", c.dir},
		{"run", spec, "--dir", c.dir},
		{"runs", "list", "--dir", c.dir},
		{"verify", c.dir},
	} {
		began := time.Now()
		r := command(t, args...)
		if took := time.Since(began); r.code != 1 || !strings.Contains(r.stderr, c.address) || took > 2*time.Second {
			t.Errorf("fedrelu %s: exit code %d after %v with %q, want 1 at once and the address %s", strings.Join(args, " "), r.code, took, r.stderr, c.address)
		}
	}
	c.coordinator.kill()
	succeed(t, "runs", "list", "--dir", c.dir) // what was killed holds nothing
}

// TestStoreOfANewerVersion: a store that a later version wrote is refused by name, and stays as it is.
func TestStoreOfANewerVersion(t *testing.T) {
	dir := t.TempDir()
	c := newCluster(t, dir, t.TempDir(), 0)
	c.coordinator.kill()
	path := filepath.Join(dir, "fedrelu.db")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.ReplaceAll(file, format(store.Format), format(store.Format+1))
	if bytes.Equal(newer, file) {
		t.Fatal("the file's format was not found in it")
	}
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"coordinator", "--listen", address(t), "--dir", dir},
		{"runs", "list", "--dir", dir},
		{"verify", dir},
	} {
		if r := command(t, args...); r.code != 1 || !strings.Contains(r.stderr, "store of a newer version") {
			t.Errorf("fedrelu %s: exit code %d with %q, want 1 and why", strings.Join(args, " "), r.code, r.stderr)
		}
	}
	if now, err := os.ReadFile(path); err != nil || sha256.Sum256(now) != sha256.Sum256(newer) {
		t.Errorf("the file has changed (%v)", err)
	}
}

// format is the entry of a store's file that says its version.
func format(version uint32) []byte {
	sealed := binary.BigEndian.AppendUint32(nil, version)
	sealed = binary.BigEndian.AppendUint32(sealed, crc32.Checksum(sealed, crc32.MakeTable(crc32.Castagnoli)))
	return append([]byte("format"), sealed...)
}

// TestDivergence: a learning rate that is far too large ends a run within seconds, with advice.
func TestDivergence(t *testing.T) {
	data := t.TempDir()
	writeData(t, data, 32, 60, 20)
	spec := writeSpec(t, data, "abuse.yaml", abuseSpec)
	c := newCluster(t, t.TempDir(), data, 2)
	began := time.Now()
	r := command(t, "submit", spec, "--set", "local.optimizer.sgd.lr=1e6", "--coordinator", c.address, "--wait", "--json")
	o := decode[outcome](t, r.stdout)
	if r.code != 1 || o.Status != "failed" || !strings.Contains(r.stderr, "diverged") || !strings.Contains(r.stderr, "smaller local.optimizer.sgd.lr") {
		t.Errorf("exit code %d, %+v with %q, want 1, failed, and what to do", r.code, o, r.stderr)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}
