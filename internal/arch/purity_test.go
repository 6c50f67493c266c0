package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// purity says what a package must not reach, by itself or through other packages of this module.
type purity struct {
	of      []string
	imports []string // packages of the standard library or of others
	clock   bool     // true: "time" is there for durations, but nothing that reads or waits for a clock
	quiet   bool     // true: no goroutine is started
	why     string
}

var world = []string{"net/...", "os/...", "syscall", "golang.org/x/sys/unix", "golang.org/x/sys/windows", "io/ioutil", "log/...", "math/rand/...", "crypto/rand"}

var pure = []purity{
	{of: []string{"localsgd/...", "internal/kernel", "internal/detmath", "internal/npz", "internal/safetensors", "internal/selfcheck", "analysis/..."},
		imports: append([]string{"time"}, world...),
		why:     "a result is a function of spec, data and seed: no disk, network, clock, environment or random source can be in it"},
	{of: []string{"coordinator/round", "coordinator/async"}, imports: append([]string{"sync/...", "context"}, world...), clock: true, quiet: true,
		why: "decisions are a function of events and the times that come with them, so that a transcript repeats them"},
	{of: []string{"coordinator/record", "proto/..."}, imports: slices.DeleteFunc(slices.Clone(world), isNet), clock: true, quiet: true,
		why: "conversions turn values into values"},
}

// isNet: generated service code reaches the network through grpc, nothing else in proto does.
func isNet(p string) bool { return p == "net/..." }

// TestPurity keeps what has to be a function a function.
func TestPurity(t *testing.T) {
	report(t, purityFindings(sources(t), pure))
}

func TestPurityCanFail(t *testing.T) {
	files := snippets(t,
		"algo/a.go", "package algo\nimport _ \""+module+"/mid\"",
		"algo/a_test.go", "package algo\nimport _ \"os\"",
		"mid/a.go", "package mid\nimport _ \"os/exec\"",
		"decide/a.go", "package decide\nimport \"time\"\nfunc f() { go f(); _ = time.Now(); _ = time.Second }",
		"other/a.go", "package other\nimport \"time\"\nvar _ = time.Now()",
	)
	small := []purity{
		{of: []string{"algo"}, imports: []string{"os/..."}, why: "w1"},
		{of: []string{"decide"}, clock: true, quiet: true, why: "w2"},
	}
	mustFind(t, purityFindings(files, small),
		"mid/a.go:2: algo reaches os/exec: w1",
		"decide/a.go:3: decide starts a goroutine: w2",
		"decide/a.go:3: decide calls time.Now: w2")
}

func purityFindings(files []*source, rules []purity) []string {
	below := map[string][]*source{}
	for _, s := range files {
		if !s.test {
			below[s.dir] = append(below[s.dir], s)
		}
	}
	var dirs []string
	for dir := range below {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	var findings []string
	for _, rule := range rules {
		for _, dir := range dirs {
			if matchesAny(rule.of, dir) {
				findings = append(findings, rule.reach(dir, below)...)
				findings = append(findings, rule.acts(dir, below[dir])...)
			}
		}
	}
	return findings
}

// reach looks at what dir imports, by itself and through packages of the module.
func (r purity) reach(dir string, below map[string][]*source) []string {
	var findings []string
	for _, s := range closure(dir, below) {
		for _, i := range s.imports() {
			if matchesAny(r.imports, i.path) {
				findings = append(findings, fmt.Sprintf("%s: %s reaches %s: %s", i.at, dir, i.path, r.why))
			}
		}
	}
	return findings
}

// closure are the files of dir and of all packages of the module that it imports, near ones first.
func closure(dir string, below map[string][]*source) []*source {
	var all []*source
	seen := map[string]bool{dir: true}
	for queue := []string{dir}; len(queue) > 0; queue = queue[1:] {
		all = append(all, below[queue[0]]...)
		for _, s := range below[queue[0]] {
			queue = append(queue, s.unseen(seen)...)
		}
	}
	return all
}

func (s *source) unseen(seen map[string]bool) []string {
	var fresh []string
	for _, i := range s.imports() {
		if next := trimOwn(i.path); isOwn(i.path) && !seen[next] {
			seen[next] = true
			fresh = append(fresh, next)
		}
	}
	return fresh
}

var clockCalls = strings.Fields("Now Since Until Sleep After AfterFunc Tick NewTimer NewTicker")

// acts looks for goroutines and clocks in the files of dir.
func (r purity) acts(dir string, files []*source) []string {
	var findings []string
	for _, s := range files {
		if s.generated {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			_, starts := n.(*ast.GoStmt)
			if starts && r.quiet {
				findings = append(findings, fmt.Sprintf("%s: %s starts a goroutine: %s", s.at(n.Pos()), dir, r.why))
			}
			if name, ok := selected(n, "time"); ok && r.clock && slices.Contains(clockCalls, name) {
				findings = append(findings, fmt.Sprintf("%s: %s calls time.%s: %s", s.at(n.Pos()), dir, name, r.why))
			}
			return true
		})
	}
	return findings
}

// selected is X where n is the expression pkg.X.
func selected(n ast.Node, pkg string) (string, bool) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Name != pkg {
		return "", false
	}
	return sel.Sel.Name, true
}

// calls finds uses of pkg.name.
func (s *source) calls(pkg, name, why string) []string {
	var findings []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if got, ok := selected(n, pkg); ok && got == name {
			findings = append(findings, s.at(n.Pos())+": "+why)
		}
		return true
	})
	return findings
}
