package main

import (
	"context"
	"math"
	"testing"
)

// The count: 8.79 million operations for a step of the 2NN at batch 10.
func TestBenchCountsOperations(t *testing.T) {
	if got := benchModels[0].operations(10); math.Abs(got-8.79e6) > 0.005e6 {
		t.Errorf("%v operations, want 8.79e6", got)
	}
}

func TestBenchRow(t *testing.T) {
	small := benchModel{name: "small", net: benchModels[0].net, sgd: benchModels[1].sgd}
	small.net.Input, small.net.Hidden = 3, []int{4}
	row, err := small.row(context.Background(), 5)
	if err != nil {
		t.Fatal(err)
	}
	if row.Model != "small" || row.Batch != 5 || row.Threads != 1 {
		t.Errorf("a row of something else: %+v", row)
	}
	if !(row.MicrosecondsPerStep > 0) || !(row.FractionOfPeak > 0 && row.FractionOfPeak < 1) {
		t.Errorf("an impossible row: %+v", row)
	}
	if got := row.GFLOPS / row.PeakGFLOPS; math.Abs(got-row.FractionOfPeak) > 1e-12 {
		t.Errorf("share %v, want %v", row.FractionOfPeak, got)
	}
	if _, err := small.row(canceled(), 5); err == nil {
		t.Error("no error from a cancelled context")
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
