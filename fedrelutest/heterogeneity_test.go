package fedrelutest_test

import (
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/fedrelutest"
)

// TestSimulatedClock: who answers in time and with how much work is decided by keyed draws, so that a cluster makes the same
// models as localsgd.Runner, whoever works how fast in reality.
func TestSimulatedClock(t *testing.T) {
	dir := t.TempDir()
	writeData(t, dir)
	for name, more := range map[string]string{
		"partial work is dropped":  "simulate: {stragglers: {fraction: 0.5}, dropout: 0.2}",
		"partial work is kept":     "simulate: {stragglers: {fraction: 0.9}, partial: keep}",
		"fednova":                  "server: {fednova: {}}\nsimulate: {speed: {lognormal: {sigma: 1}}, deadline: 5}",
		"the first to answer":      "simulate: {speed: {uniform: {low: 0.5, high: 2}}}",
		"everybody drops out":      "simulate: {dropout: 1}",
		"by examples, real clock":  "",
		"partial work under prox":  "simulate: {stragglers: {fraction: 0.5}, deadline: 4, speed: {uniform: {low: 0.1, high: 2}}}",
		"as many as were invited":  "simulate: {dropout: 0.01}",
		"weights of all are alike": "weighting: uniform\nsimulate: {dropout: 0.4}",
	} {
		t.Run(name, func(t *testing.T) {
			text := uneven + more + "\n"
			switch name {
			case "the first to answer":
				text = strings.Replace(text, "participation: {fraction: 0.7}", "participation: {count: 4, over: 2}", 1)
			case "by examples, real clock":
				text = strings.Replace(text, "fraction: 0.7", "fraction: 0.5, by: examples", 1)
			case "partial work under prox":
				text = strings.Replace(text, "local: {", "local: {prox_mu: 0.1, ", 1)
			}
			check(t, fedrelutest.Start(t, text, 2, fedrelutest.Data(dir)).Wait(), alone(t, text, dir))
		})
	}
}
