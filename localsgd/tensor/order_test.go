package tensor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNamesHaveTheOrderOfStateDicts(t *testing.T) {
	want := []string{
		"0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var",
		"3.body.0.weight", "3.body.0.bias", "3.body.9.weight", "3.body.10.body.1.weight", "3.body.10.shortcut.0.weight", "3.shortcut.0.weight",
		"10.weight", "conv1.weight", "conv1.other", "conv2.weight",
	}
	for range 20 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, CompareNames)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	for _, names := range [][2]string{{"1.weight", "01.weight"}, {"1", "1.weight"}, {"", "0"}} {
		if CompareNames(names[0], names[1]) == 0 || CompareNames(names[0], names[1]) != -CompareNames(names[1], names[0]) {
			t.Errorf("%q are not ordered", names)
		}
	}
}
