package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoReplace: what builds here builds for everyone who imports it, and replace directives of a dependency are ignored.
func TestNoReplace(t *testing.T) {
	for _, name := range []string{"go.mod", "tools/go.mod"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		report(t, replaceFindings(name, string(text)))
	}
}

func TestNoReplaceCanFail(t *testing.T) {
	mod := "module m\n// replace is not used\nreplace a => ../a\nreplace (\n\tb => ../b\n)\nrequire example.org/replace v1\n"
	mustFind(t, replaceFindings("go.mod", mod), "go.mod:3", "go.mod:4")
}

func replaceFindings(name, text string) []string {
	var findings []string
	line := 0
	for content := range strings.Lines(text) {
		line++
		if first, _, _ := strings.Cut(strings.TrimSpace(content), " "); first == "replace" {
			findings = append(findings, fmt.Sprintf("%s:%d: a replace directive is not seen by who imports this module", name, line))
		}
	}
	return findings
}
