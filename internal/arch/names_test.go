package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// drawers are names that say where something lies and not what it is.
var drawers = strings.Fields("util utils common type types helper helpers misc base shared stuff")

// TestNames: a name that could hold anything ends up holding everything.
func TestNames(t *testing.T) {
	report(t, nameFindings(sources(t)))
}

func TestNamesCanFail(t *testing.T) {
	files := snippets(t,
		"a/util/x.go", "package util",
		"a/b/types.go", "package b",
		"a/b/helpers_test.go", "package b_test",
		"a/b/rank.go", "package b",
	)
	mustFind(t, nameFindings(files), "a/util", "a/b/types.go", "a/b/helpers_test.go")
}

func nameFindings(files []*source) []string {
	var findings []string
	for _, s := range files {
		file := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
		name := strings.TrimSuffix(s.file.Name.Name, "_test")
		if slices.Contains(drawers, name) || slices.Contains(drawers, path.Base(s.dir)) {
			findings = append(findings, fmt.Sprintf("%s: package %s: name it for what it does", s.path, s.dir))
		}
		if slices.Contains(drawers, file) {
			findings = append(findings, fmt.Sprintf("%s: name the file for what it does", s.path))
		}
	}
	return findings
}

// TestNoSleepInTests: a test that sleeps is slow on a fast machine and wrong on a slow one. Use testing/synctest, channels,
// or poll with a deadline.
func TestNoSleepInTests(t *testing.T) {
	report(t, sleepFindings(sources(t)))
}

func TestNoSleepInTestsCanFail(t *testing.T) {
	const sleeps = "package a\nimport \"time\"\nfunc f() {\n\ttime.Sleep(time.Second)\n}"
	files := snippets(t, "a/a_test.go", sleeps, "a/a.go", sleeps)
	mustFind(t, sleepFindings(files), "a/a_test.go:4: a test sleeps")
}

func sleepFindings(files []*source) []string {
	var findings []string
	for _, s := range files {
		if s.test {
			findings = append(findings, s.calls("time", "Sleep", "a test sleeps: wait for what it waits for")...)
		}
	}
	return findings
}
