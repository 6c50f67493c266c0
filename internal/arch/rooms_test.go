package arch

import (
	"fmt"
	"strings"
	"testing"
)

// room says which packages may import a dependency. Test files may import it anywhere, unless the room is strict.
type room struct {
	of     string // import path, "./" for this module, "/..." for everything below
	in     []string
	strict bool
	why    string
}

// rooms has a line for every dependency outside the standard library, and for what is ours and not for everybody.
var rooms = []room{
	{of: "./proto/fedrelu/v1", // tests may play the other side
		in:  []string{"proto/...", "coordinator/record", "coordinator/rpc", "coordinator/control", "worker/rpc.go"},
		why: "generated types stay at the edges; inside are plain values that were checked when they were made"},
	{of: "./localsgd/shard/mnist", in: []string{"internal/workload"},
		why: "who imports localsgd or the worker does not carry 11 MB of images for it"},

	{of: "go.etcd.io/bbolt/...", strict: true, in: []string{"coordinator/store", "worker/store"},
		why: "what is in the file is the store's own business"},
	{of: "gonum.org/v1/gonum/blas/...", in: []string{"analysis", "internal/kernel/blas.go", "internal/kernel/blas_test.go"}, strict: true,
		why: "only builds with the tag blas train with sums in another order"},
	{of: "gonum.org/v1/gonum/...", in: []string{"analysis", "internal/claims/..."},
		why: "gonum rounds differently on different CPUs, which measurements may and training must not"},
	{of: "go.yaml.in/yaml/v3", in: []string{"proto/spec"}, why: "one package reads specs"},
	{of: "buf.build/...", in: []string{"proto/..."}, why: "one package reads specs"},
	{of: "google.golang.org/protobuf/...",
		in:  []string{"proto/...", "coordinator/record", "coordinator/rpc", "coordinator/control", "worker"},
		why: "generated types stay at the edges"},
	{of: "google.golang.org/grpc/...",
		in:  []string{"proto/fedrelu/v1", "coordinator/rpc", "coordinator/control", "worker", "fedrelutest", "cmd/fedrelu"},
		why: "decisions do not know the transport"},
	{of: "google.golang.org/genproto/...", in: []string{"coordinator/rpc", "coordinator/control", "worker"},
		why: "decisions do not know the transport"},
	{of: "golang.org/x/sync/...", in: []string{"coordinator", "coordinator/rpc", "worker", "fedrelutest", "cmd/fedrelu", "internal/claims"},
		why: "the algorithm starts no goroutines that it would have to limit"},
	{of: "golang.org/x/sys/cpu", in: []string{"internal/kernel"}, why: "only the kernels care what a processor can do"},
	{of: "golang.org/x/sys/...", in: []string{"coordinator/store", "worker/store", "cmd/fedrelu"},
		why: "locks of directories and signals are for those who own a process or a file"},
	{of: "golang.org/x/term", in: []string{"cmd/fedrelu"}, why: "only the command line has a terminal"},
	{of: "github.com/spf13/cobra", in: []string{"cmd/fedrelu"}, why: "only the command line has flags"},
	{of: "github.com/spf13/pflag", in: []string{"cmd/fedrelu"}, why: "only the command line has flags"},
	{of: "github.com/prometheus/client_golang/...", in: []string{"coordinator/web"},
		why: "whoever counts something exposes plain numbers; metrics are made of them at the edge"},

	{of: "github.com/mmcloughlin/avo/...", in: []string{"tools/kernelasm"}, strict: true, why: "what writes assembly is no part of what runs it"},

	{of: "testing/...", in: []string{"fedrelutest"}, why: "only the test kit takes a testing.TB outside of tests"},
	{of: "pgregory.net/rapid", why: "for tests alone"},
	{of: "go.uber.org/goleak", why: "for tests alone: a test kit must not force a leak checker on who imports it"},
	{of: "github.com/cockroachdb/datadriven", why: "for tests alone"},
	{of: "github.com/rogpeppe/go-internal/...", why: "for tests alone"},
	{of: "golang.org/x/tools/...", why: "for tests alone"},
}

// TestRooms: a dependency that everybody may use is one that nobody can replace.
func TestRooms(t *testing.T) {
	report(t, roomFindings(sources(t), rooms))
}

func TestRoomsCanFail(t *testing.T) {
	small := []room{
		{of: "example.org/db/...", in: []string{"store", "remote/rpc.go"}, strict: true, why: "w1"},
		{of: "example.org/check", why: "w2"},
	}
	files := snippets(t,
		"store/a.go", "package store\nimport _ \"example.org/db/v2\"",
		"remote/rpc.go", "package remote\nimport _ \"example.org/db\"",
		"remote/a.go", "package remote\nimport _ \"example.org/db\"",
		"remote/a_test.go", "package remote\nimport _ \"example.org/db\"\nimport _ \"example.org/check\"",
		"remote/b.go", "package remote\nimport _ \"example.org/check\"",
		"remote/c_test.go", "package remote\nimport _ \"example.org/new\"",
	)
	mustFind(t, roomFindings(files, small),
		"remote/a.go:2: example.org/db belongs in store, remote/rpc.go: w1",
		"remote/a_test.go:2: example.org/db",
		"remote/b.go:2: example.org/check belongs in tests: w2",
		"remote/c_test.go:2: example.org/new has no room")
}

func roomFindings(files []*source, rooms []room) []string {
	var findings []string
	for _, s := range files {
		for _, i := range s.imports() {
			if finding := roomFinding(s, i, rooms); finding != "" {
				findings = append(findings, i.at+": "+finding)
			}
		}
	}
	return findings
}

func roomFinding(s *source, i imported, rooms []room) string {
	for _, r := range rooms {
		if !matches(r.of, i.path) {
			continue
		}
		if matchesAny(r.in, s.dir) || matchesAny(r.in, s.path) || s.test && !r.strict {
			return ""
		}
		return fmt.Sprintf("%s belongs in %s: %s", trimOwn(i.path), place(r.in), r.why)
	}
	if isOwn(i.path) || isStandard(i.path) {
		return ""
	}
	return i.path + " has no room: a new dependency gets a line in rooms and one in ARCHITECTURE.md"
}

func place(in []string) string {
	if len(in) == 0 {
		return "tests"
	}
	return strings.Join(in, ", ")
}

func isOwn(p string) bool     { return strings.HasPrefix(p, own) }
func trimOwn(p string) string { return strings.TrimPrefix(p, own) }
func isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}
