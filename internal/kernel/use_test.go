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
	w.Prepare(2, true)
	sgd, heavy := &SGD[float32]{LR: 1}, &SGD[float32]{LR: 1, Momentum: 1}
	for name, call := range map[string]func(){
		"weights":               func() { w.Load(f(11), f(4)) },
		"biases":                func() { w.Load(f(12), f(3)) },
		"no biases":             func() { w.Save(f(12), nil) },
		"biases where none are": func() { bare.Load(f(12), f(4)) },
		"outputs":               func() { w.Forward(f(8), f(6), 2, false) },
		"inputs":                func() { w.Forward(f(8+Slack), f(5), 2, false) },
		"no examples":           func() { w.Forward(f(Slack), f(0), 0, false) },
		"input gradient":        func() { w.Backward(&Backward[float32]{N: 2, DX: f(6), DY: f(16)}) },
		"output gradient":       func() { w.Backward(&Backward[float32]{N: 2, DX: f(6 + Slack), DY: f(7)}) },
		"mask":                  func() { w.Backward(&Backward[float32]{N: 2, DX: f(6 + Slack), DY: f(16), Mask: f(6)}) },
		"unpadded gradient":     func() { w.Backward(&Backward[float32]{N: 2, X: f(6), DY: f(8), SGD: sgd}) },
		"no velocities":         func() { w.Backward(&Backward[float32]{N: 2, X: f(6), DY: f(16), SGD: heavy}) },
		"more than prepared":    func() { w.Backward(&Backward[float32]{N: 3, DX: f(9 + Slack), DY: f(24)}) },
		"gradient's gradient":   func() { w.Gradient(0, f(6), f(15), 2) },
		"gradient's inputs":     func() { w.Gradient(0, f(5), f(16), 2) },
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
