package kernel

import (
	"slices"
	"testing"
)

func TestUse(t *testing.T) {
	before := InUse()
	defer func() { _ = Use(before) }()
	available := Available()
	if available[0] != "portable" || before != available[len(available)-1] {
		t.Errorf("%s is in use, available are %v", before, available)
	}
	for _, name := range available {
		if err := Use(name); err != nil || InUse() != name {
			t.Errorf("%s is in use after Use(%q): %v", InUse(), name, err)
		}
		if operations := Peak(); operations < 1e4 {
			t.Errorf("%s did %v operations", name, operations)
		}
	}
	if err := Use("abacus"); err == nil || InUse() != available[len(available)-1] || slices.Contains(available, "abacus") {
		t.Errorf("an unknown kernel: %v", err)
	}
}

func TestUnfittingLengthsPanic(t *testing.T) {
	w := NewWeights[float32](3, 4, true)
	bare := NewWeights[float32](3, 4, false)
	f := func(n int) []float32 { return make([]float32, n) }
	scratch := f(w.Scratch())
	for name, call := range map[string]func(){
		"weights":                 func() { w.Load(f(11), f(4)) },
		"biases":                  func() { w.Load(f(12), f(3)) },
		"no biases":               func() { w.Save(f(12), nil) },
		"biases where none are":   func() { bare.Load(f(12), f(4)) },
		"outputs":                 func() { w.Forward(f(8), f(6), 2, false) },
		"inputs":                  func() { w.Forward(f(8+Slack), f(5), 2, false) },
		"no examples":             func() { w.Forward(f(Slack), f(0), 0, false) },
		"input gradient":          func() { w.InputGradient(f(6), f(8), 2, nil, scratch) },
		"output gradient":         func() { w.InputGradient(f(6+Slack), f(7), 2, nil, scratch) },
		"mask":                    func() { w.InputGradient(f(6+Slack), f(16), 2, f(6), scratch) },
		"scratch":                 func() { w.InputGradient(f(6+Slack), f(16), 2, nil, scratch[:8]) },
		"unpadded gradient":       func() { w.Update(nil, f(6), f(8), 2, &SGD[float32]{LR: 1}) },
		"no velocities":           func() { w.Update(nil, f(6), f(16), 2, &SGD[float32]{LR: 1, Momentum: 1}) },
		"scratch of the gradient": func() { w.Gradient(0, f(6), f(16), 2, scratch[:8]) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}
