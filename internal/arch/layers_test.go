package arch

import (
	"fmt"
	"testing"
)

// layers are the packages of the module from the bottom up. Imports go down: a package may import packages of lower
// layers only, never one of its own. coordinator and worker stand side by side, so neither can know the other.
var layers = [][]string{
	{"cmd/fedrelu/processes", "examples/claims", "internal/arch", "internal/detmath", "internal/figure", "internal/kernel", "internal/npz", "internal/safetensors", "localsgd/tensor", "test/compose"},
	{"localsgd/keyed"},
	{"localsgd/relu", "localsgd/shard"},
	{"localsgd/shard/mnist", "localsgd/shard/synthetic", "localsgd"},
	{"analysis", "internal/selfcheck"},
	{"analysis/activity", "analysis/noise", "analysis/norm", "analysis/theory"},
	{"analysis/averaging"},
	{"analysis/study"},
	{"coordinator/round", "proto/fedrelu/v1"},
	{"proto/readings"},
	{"coordinator/async", "coordinator/record", "proto/spec", "proto/wire"},
	{"coordinator/store", "internal/bounds", "internal/workload", "worker/store"},
	{"internal/claims"},
	{"internal/claims/averagingrank", "internal/claims/deeprelu", "internal/claims/entropy", "internal/claims/fedavg", "internal/claims/localsteps", "internal/claims/lowrank", "internal/claims/sgdgd", "internal/claims/splines"},
	{"internal/checkpoints", "internal/papers"},
	{"coordinator", "coordinator/control", "coordinator/replay", "worker"},
	{"cmd/fedrelu/offline", "cmd/fedrelu/view", "coordinator/rpc", "coordinator/web"},
	{"fedrelutest"},
	{"bench/byzantine", "cmd/fedrelu", "tools/kernelasm"},
}

// TestLayers: who reads a package has to know what is below it and nothing else.
func TestLayers(t *testing.T) {
	report(t, layerFindings(sources(t), layers))
}

func TestLayersCanFail(t *testing.T) {
	small := [][]string{{"low"}, {"left", "right"}}
	files := snippets(t,
		"left/a.go", "package left\nimport _ \""+module+"/low\"",
		"low/a.go", "package low\nimport _ \""+module+"/left\"",
		"low/a_test.go", "package low\nimport _ \""+module+"/right\"",
		"right/a.go", "package right\nimport _ \""+module+"/left\"",
		"new/a.go", "package new",
	)
	mustFind(t, layerFindings(files, small),
		"low/a.go:2: low imports left",
		"right/a.go:2: right imports left",
		"new has no layer")
}

func layerFindings(files []*source, layers [][]string) []string {
	level := map[string]int{}
	for i, layer := range layers {
		for _, name := range layer {
			level[name] = i
		}
	}
	var findings []string
	homeless := map[string]bool{}
	for _, s := range files {
		if s.test {
			continue
		}
		mine, ok := level[s.dir]
		if !ok && !homeless[s.dir] {
			homeless[s.dir] = true
			findings = append(findings, fmt.Sprintf("package %s has no layer: say in internal/arch what it may import", s.dir))
		}
		if !ok {
			continue
		}
		for _, i := range s.imports() {
			theirs, ok := level[trimOwn(i.path)]
			if isOwn(i.path) && ok && theirs >= mine {
				findings = append(findings, fmt.Sprintf("%s: %s imports %s, which is not in a layer below it: imports go down, see layers", i.at, s.dir, trimOwn(i.path)))
			}
		}
	}
	return findings
}

// TestSidesStayApart: coordinator and worker meet on the wire alone, also in their tests. Whoever needs both (fedrelutest,
// cmd/fedrelu) stands above them.
func TestSidesStayApart(t *testing.T) {
	report(t, sideFindings(sources(t)))
}

func TestSidesStayApartCanFail(t *testing.T) {
	files := snippets(t,
		"worker/a_test.go", "package worker\nimport _ \""+module+"/coordinator/round\"",
		"coordinator/rpc/a.go", "package rpc\nimport _ \""+module+"/worker\"",
		"cmd/fedrelu/a.go", "package main\nimport _ \""+module+"/worker\"",
	)
	mustFind(t, sideFindings(files), "worker/a_test.go:2", "coordinator/rpc/a.go:2")
}

func sideFindings(files []*source) []string {
	var findings []string
	for _, s := range files {
		for _, i := range s.imports() {
			if across("coordinator/...", "worker/...", s.dir, i.path) || across("worker/...", "coordinator/...", s.dir, i.path) {
				findings = append(findings, fmt.Sprintf("%s: %s imports %s: coordinator and worker know the wire, never each other", i.at, s.dir, trimOwn(i.path)))
			}
		}
	}
	return findings
}

func across(from, to, dir, imported string) bool {
	return matches(from, dir) && isOwn(imported) && matches(to, trimOwn(imported))
}
