package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/fedrelu/fedrelu"

// root is the repository's root, seen from the folder that tests of this package run in.
const root = "../.."

// source is one parsed Go file of the module.
type source struct {
	path      string // from the repository's root, with slashes
	dir       string // its package's folder, "." for the root
	test      bool
	generated bool
	lines     int
	fset      *token.FileSet
	file      *ast.File
}

// parse makes a source of text, as if it stood at path.
func parse(path_ string, text []byte) (*source, error) {
	s := &source{
		path: path_,
		dir:  path.Dir(path_),
		test: strings.HasSuffix(path_, "_test.go"),
		fset: token.NewFileSet(),
	}
	var err error
	s.file, err = parser.ParseFile(s.fset, path_, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", path_, err)
	}
	s.generated = ast.IsGenerated(s.file)
	s.lines = s.fset.File(s.file.Pos()).LineCount()
	return s, nil
}

// at says where in the repository pos is.
func (s *source) at(pos token.Pos) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(pos).Line)
}

// imports are the paths that the file imports, those of this module without the module's name ("./localsgd").
func (s *source) imports() []imported {
	var all []imported
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the compiler says it better
		}
		if rest, ok := strings.CutPrefix(name, module+"/"); ok {
			name = own + rest
		}
		all = append(all, imported{path: name, at: s.at(spec.Pos())})
	}
	return all
}

type imported struct{ path, at string }

// own marks import paths of this module.
const own = "./"

// tree parses every Go file of the module once.
var tree = sync.OnceValues(func() ([]*source, error) {
	var all []*source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(name, entry.Name())
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(rel), text)
		all = append(all, s)
		return err
	})
	return all, err
})

// skip leaves out what the go command leaves out.
func skip(name, base string) error {
	if name != root && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
		return filepath.SkipDir
	}
	return nil
}

// sources is the tree for a test.
func sources(t *testing.T) []*source {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files below %s: is this the repository?", len(all), root)
	}
	return all
}

// snippets parses the files of a self-test, given as path, text, path, text.
func snippets(t *testing.T, pairs ...string) []*source {
	t.Helper()
	var all []*source
	for i := 0; i+1 < len(pairs); i += 2 {
		s, err := parse(pairs[i], []byte(pairs[i+1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// report fails the test with each finding on a line of its own.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, finding := range findings {
		t.Error(finding)
	}
}

// mustFind fails unless the findings are as many as wanted texts, each containing its text.
func mustFind(t *testing.T, findings []string, want ...string) {
	t.Helper()
	if len(findings) != len(want) {
		t.Fatalf("%d findings, want %d:\n%s", len(findings), len(want), strings.Join(findings, "\n"))
	}
	for i, text := range want {
		if !strings.Contains(findings[i], text) {
			t.Errorf("finding %q does not contain %q", findings[i], text)
		}
	}
}

// matches says whether a path is the pattern's, where "x/..." is x and everything below it.
func matches(pattern, p string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == base || strings.HasPrefix(p, base+"/")
	}
	return p == pattern
}

func matchesAny(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if matches(pattern, p) {
			return true
		}
	}
	return false
}
