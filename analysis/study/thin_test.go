package study

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// longRound is a round of 200 local steps, each of which gives so many numbers.
func longRound(t *testing.T) (in Input, moment int) {
	t.Helper()
	job := smallJob(t)
	job.Local.Schedule.Steps = 200
	in = roundOf(t, job, everyone)
	m := &measurement{Input: in}
	return in, m.momentNumbers(len(in.Shards))
}

// stepsOf returns the local steps that a quantity is known at.
func stepsOf(got table, quantity string, shard int) []int {
	var steps []int
	for _, r := range got.readings {
		if r.Quantity == quantity && r.Shard == shard && r.Layer == "" {
			steps = append(steps, r.Step)
		}
	}
	return steps
}

// A long round's saw-tooth leaves steps out, says which, and is at the others what it is without a bound.
func TestSawtoothFitsIntoARecord(t *testing.T) {
	in, moment := longRound(t)
	all := measure(t, in, Sawtooth)
	if n := len(all.readings); n > 200*moment+1 || n < 190*moment || all.find("sawtooth.every", whole) != 1 {
		t.Fatalf("without a bound there are %d numbers, want about 200 times %d", n, moment)
	}
	in.Most = 2 * (31*moment + 1) // 31 steps: every 7th has 28 and the last
	got := measure(t, in, Sawtooth)
	if n := len(got.readings); n > in.Most/2 {
		t.Errorf("%d numbers, want at most %d", n, in.Most/2)
	}
	var want []int
	for h := 7; h < 200; h += 7 {
		want = append(want, h)
	}
	want = append(want, 200)
	if steps := stepsOf(got, "divergence", Average); !slices.Equal(steps, want) || got.find("sawtooth.every", whole) != 7 {
		t.Errorf("every %v: steps %v, want %v", got.find("sawtooth.every", whole), steps, want)
	}
	for _, r := range got.readings {
		if r.Quantity != "sawtooth.every" && !slices.Contains(all.readings, r) {
			t.Fatalf("%+v is not among what all steps gave", r)
		}
	}
	in.Every = 50 // looks at fewer than there is room for
	if steps := stepsOf(measure(t, in, Sawtooth), "divergence", Average); !slices.Equal(steps, []int{50, 100, 150, 200}) {
		t.Errorf("every 50: steps %v", steps)
	}
}

// Where not even one step has room, the average is said alone, and where that has none, nothing; each with its reason.
func TestSawtoothOfTooManyShards(t *testing.T) {
	in, moment := longRound(t)
	in.Most = 2 * moment
	got := measure(t, in, Sawtooth)
	if stepsOf(got, "loss", 1) != nil || len(stepsOf(got, "loss", Average)) < 2 || len(got.missing) != 1 || got.missing[0].Quantity != "sawtooth.locals" {
		t.Errorf("of shard 1 %v, missing %v", stepsOf(got, "loss", 1), got.missing)
	}
	in.Most = 10
	got = measure(t, in, Sawtooth)
	if len(got.readings) > 0 || len(got.missing) != 1 || got.missing[0].Quantity != "sawtooth" {
		t.Errorf("%v, missing %v", got.readings, got.missing)
	}
}

// What does not fit beside the studies before it is left out whole, and what comes later is still there if it fits.
func TestStudiesBeyondTheBoundAreMissing(t *testing.T) {
	in := roundOf(t, smallJob(t), everyone)
	updates := measure(t, in, Updates)
	in.Most = len(updates.readings) + 30
	got := measure(t, in, Updates, LocalRanks, ZeroInputs)
	if !slices.Equal(got.readings[:len(updates.readings)], updates.readings) || len(got.readings) > in.Most || stepsOf(got, "zero_inputs", Average) == nil {
		t.Errorf("readings %v", got.readings)
	}
	left := slices.IndexFunc(got.missing, func(m Missing) bool { return m.Quantity == string(LocalRanks) })
	if left < 0 || !strings.Contains(got.missing[left].Reason, fmt.Sprintf("the %d that a record takes", in.Most)) {
		t.Errorf("missing %v", got.missing)
	}
}
