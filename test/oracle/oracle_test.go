// Package oracle has what fedrelu measures computed again by numpy, from PAPERS.md 0.4, exported models and data alone.
//
// Rules. The scripts in testdata share nothing with the code that they check: they train, take gradients and measure by themselves.
// Every number of a record is compared, or stands in never or sometimes with the reason. Without numpy the tests are skipped, but
// not where CI is set.
package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/proto/spec"
)

// never says what numpy has no say in.
var never = map[string]string{
	"reading.barrier.aligned":      "the alignment of units is an algorithm, no definition",
	"reading.barrier.aligned.max":  "as barrier.aligned",
	"reading.aligned.moved":        "as barrier.aligned",
	"reading.null.":                "a simulation with keyed draws",
	"gradient_spread":              "of files: batches are drawn",
	"gradient_square":              "as gradient_spread",
	"noise_scale":                  "as gradient_spread",
	"reading.zero_inputs.rounding": "what float32 is allowed to be off, no measurement",
}

// sometimes says why a number may be missing, but not in all runs.
var sometimes = map[string]string{
	"drift.heterogeneity":         "the halves of a probe are drawn: they are tried, where there are few",
	"reading.heterogeneity":       "as drift.heterogeneity",
	"reading.heterogeneity.naive": "of a probe of odd size one example is left out, which one is drawn",
	"layer.certificate.n":         "where nothing is forgotten there is no n",
	"layer.local.certificates.n":  "as layer.certificate.n",
}

// TestNumpyAgrees builds the program and writes the data once for all that is measured.
func TestNumpyAgrees(t *testing.T) {
	b := setUp(t)
	t.Run("runs", b.runs)
	t.Run("files", b.files)
}

// bench is what the tests work with.
type bench struct {
	python, program string
	data            string // the folder
}

// runs trains each spec of testdata/specs on a local cluster, with everything measured.
func (b bench) runs(t *testing.T) {
	specs, err := filepath.Glob(filepath.Join("testdata", "specs", "*.yaml"))
	if err != nil || len(specs) == 0 {
		t.Fatalf("%d specs, %v", len(specs), err)
	}
	folders := []string{"run.py"}
	t.Run("train", func(t *testing.T) {
		for _, file := range specs {
			folder := filepath.Join(b.data, strings.TrimSuffix(filepath.Base(file), ".yaml"))
			folders = append(folders, folder)
			t.Run(filepath.Base(folder), func(t *testing.T) {
				t.Parallel()
				b.train(t, file, folder)
			})
		}
	})
	if t.Failed() {
		return
	}
	var said map[string]struct {
		Departure float64
		Numbers   []number
	}
	b.ask(t, &said, folders...)
	all := newReport()
	for _, folder := range folders[1:] {
		one := said[folder]
		if !(one.Departure < 1e-6) {
			t.Errorf("%s: a model is off by %g of its largest parameter from what numpy trained", filepath.Base(folder), one.Departure)
		}
		all.compare(t, filepath.Base(folder), flattenShow(t, folder), one.Numbers)
	}
	all.finish(t)
}

// files measures models that Python wrote, with both activations.
func (b bench) files(t *testing.T) {
	files := []string{"first.safetensors", "near.safetensors", "far.safetensors"}
	for i, name := range files {
		files[i] = filepath.Join(b.data, name)
	}
	text := "data: {npz: {train: easy-train.npz, test: easy-test.npz}}\nmodel: {mlp: {hidden: [9, 9], activation: %s}}\nshards: {count: 1}\n"
	all := newReport()
	for slope, activation := range map[string]string{"0": "{relu: {}}", "0.1": "{leaky_relu: {slope: 0.1}}"} {
		file := filepath.Join(b.data, "slope"+slope+".yaml")
		write(t, file, fmt.Sprintf(text, activation))
		out := command(t, b.program, append([]string{"analyze", "--data", file, "--start", files[0], "--json"}, files...)...)
		var numbers []number
		b.ask(t, &numbers, append([]string{"files.py", filepath.Join(b.data, "easy"), slope}, files...)...)
		all.compare(t, "slope "+slope, flattenAnalysis(t, out), numbers)
	}
	all.finish(t)
}

// setUp looks for a Python that has numpy, builds the program and writes the data.
func setUp(t *testing.T) bench {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() == nil {
			b := bench{python: python, program: filepath.Join(t.TempDir(), "fedrelu"), data: t.TempDir()}
			command(t, "go", "build", "-o", b.program, "github.com/fedrelu/fedrelu/cmd/fedrelu")
			command(t, python, "-B", filepath.Join("testdata", "data.py"), b.data)
			return b
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("there is no numpy, and CI must have it: apt-get install python3-numpy")
	}
	t.Skip("there is no numpy: apt-get install python3-numpy")
	return bench{}
}

// train runs a spec with all studies, and leaves in the folder what run.py wants.
func (b bench) train(t *testing.T, file, folder string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spec.AllStudies() {
		text = fmt.Appendf(text, "  %s: {every: 1}\n", s)
	}
	name := filepath.Base(folder)
	file = filepath.Join(b.data, filepath.Base(file))
	write(t, file, string(text))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(folder, "store")
	command(t, b.program, "run", file, "--dir", store, "--workers", "1")
	show := command(t, b.program, "runs", "show", name, "--json", "--dir", store)
	write(t, filepath.Join(folder, "show.json"), string(show))
	var shown struct{ Rounds []struct{ Round int } }
	decode(t, show, &shown)
	for round := range len(shown.Rounds) + 1 {
		out := filepath.Join(folder, strconv.Itoa(round)+".safetensors")
		command(t, b.program, "export", name, "--round", strconv.Itoa(round), "--dir", store, "-o", out)
	}
}

// ask runs a script and reads what it says.
func (b bench) ask(t *testing.T, into any, args ...string) {
	t.Helper()
	script := filepath.Join("testdata", args[0])
	decode(t, command(t, b.python, append([]string{"-B", script}, args[1:]...)...), into)
}

func command(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &problems)
	}
	return out
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
}

// place names a number: of a round, a file or two files; shard and step are -1 where there is none.
type place struct {
	of, quantity, layer string
	shard, step         int
}

// number is one that numpy gave. Low and High bound a count whose threshold lies close to a value; Scale is the size of what a number
// is a difference of.
type number struct {
	Of, Quantity, Layer string
	Shard, Step         *int
	Value               any
	Low, High, Scale    *float64
}

func (n *number) place() place {
	return place{n.Of, n.Quantity, n.Layer, orNone(n.Shard), orNone(n.Step)}
}

func orNone(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

// off returns how far the number is from what fedrelu says, relative to its size; more than 1 where they are different things.
func (n *number) off(got any) float64 {
	want, isNumber := n.Value.(float64)
	v, ok := got.(float64)
	switch {
	case !isNumber && got == n.Value:
		return 0
	case !isNumber || !ok:
		return math.Inf(1)
	case v == want || n.Low != nil && *n.Low-1e-9 <= v && v <= *n.High+1e-9:
		return 0
	case n.Low != nil && math.Abs(v-want) > 1e-9:
		return math.Inf(1)
	}
	size := math.Abs(want)
	if n.Scale != nil {
		size = max(size, *n.Scale)
	}
	return math.Abs(v-want) / size
}

// tolerance is relative. Training and gradients are float32 there and float64 here; what comes from an exported model alone is
// float64 on both sides.
func tolerance(quantity string) float64 {
	if strings.HasPrefix(quantity, "layer.") && !strings.HasPrefix(quantity, "layer.local.") && quantity != "layer.crossover" {
		return 1e-9
	}
	return 1e-4
}

// report collects by quantity how far both sides were from each other.
type report struct {
	worst   map[string]float64
	numbers int
	missing map[string]bool
}

func newReport() *report {
	return &report{worst: make(map[string]float64), missing: make(map[string]bool)}
}

// compare holds what fedrelu says against numpy, and the other way round: nothing may be on one side alone.
func (r *report) compare(t *testing.T, name string, got map[place]any, numbers []number) {
	t.Helper()
	known := make(map[place]bool)
	wrong := make(map[string]int)
	for i := range numbers {
		n := &numbers[i]
		known[n.place()] = true
		off := n.off(got[n.place()])
		r.worst[n.Quantity] = max(r.worst[n.Quantity], off)
		r.numbers++
		if off > tolerance(n.Quantity) {
			if wrong[n.Quantity]++; wrong[n.Quantity] <= 3 {
				t.Errorf("%s: %+v is %v, numpy says %v", name, n.place(), got[n.place()], n.Value)
			}
		}
	}
	unknown := make(map[string]int)
	for p, v := range got {
		switch {
		case v == nil || known[p] || reason(never, p.quantity):
		case reason(sometimes, p.quantity):
			r.missing[p.quantity] = true
		default:
			unknown[p.quantity]++
		}
	}
	for quantity, n := range unknown {
		t.Errorf("%s: %d numbers of %s are not computed again", name, n, quantity)
	}
}

// reason tells whether a quantity is in a list, by name or by a beginning that ends with a dot.
func reason(list map[string]string, quantity string) bool {
	for name := range list {
		if quantity == name || strings.HasSuffix(name, ".") && strings.HasPrefix(quantity, name) {
			return true
		}
	}
	return false
}

// finish prints the worst of each quantity, and fails if one was never compared.
func (r *report) finish(t *testing.T) {
	t.Helper()
	for quantity := range r.missing {
		if _, ok := r.worst[quantity]; !ok {
			t.Errorf("%s was not computed again in any run", quantity)
		}
	}
	t.Logf("%d numbers; the worst deviation of each quantity:", r.numbers)
	for _, quantity := range slices.Sorted(maps.Keys(r.worst)) {
		t.Logf("%-40s %.1e", quantity, r.worst[quantity])
	}
}
