package round

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestAcceptsIsTyped holds the errors that the owner tells apart: what is acknowledged, what is retried, what is dropped.
// Their texts are in the transcript refused_whole.
func TestAcceptsIsTyped(t *testing.T) {
	some, err := NewShardSet(Range{0, 8})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Plan{Round: 2, Invited: []int{0, 1, 2, 3, 9}, Policy: Policy{GiveUp: time.Minute, OnDivergence: LeaveOutShard}}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	m.Step(epoch, Joined{Worker{ID: 1, Name: "a", Slots: 1, Serves: some}}, Answered{1, []int{0}}, Diverged{1, 3, 1, "NaN"})
	tests := []struct {
		name   string
		id     WorkerID
		shards []int
		want   error
	}{
		{"fine", 1, []int{1, 2}, nil},
		{"no shard", 1, nil, ErrPush},
		{"descending", 1, []int{2, 1}, ErrPush},
		{"twice", 1, []int{1, 1}, ErrPush},
		{"outside", 1, []int{1, 4}, ErrOutside},
		{"negative", 1, []int{-1}, ErrOutside},
		{"counted", 1, []int{0}, ErrCounted},
		{"counted, other session", 5, []int{0}, ErrCounted},
		{"partly counted", 1, []int{0, 1}, ErrPartlyCounted},
		{"diverged", 1, []int{2, 3}, ErrLeftOut},
		{"not served", 1, []int{2, 9}, ErrNotServed},
		{"other session", 5, []int{1}, ErrSession},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := m.Accepts(tt.id, tt.shards); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	var partly *PartlyCounted
	if !errors.As(m.Accepts(1, []int{0, 1, 2}), &partly) || !slices.Equal(partly.Counted, []int{0}) || !slices.Equal(partly.Rest, []int{1, 2}) {
		t.Errorf("partly counted: %+v", partly)
	}
}

// TestPlanIsCopied protects the machine from an owner that reuses its list.
func TestPlanIsCopied(t *testing.T) {
	invited := []int{4, 7}
	m, err := New(Plan{Round: 1, Invited: invited, Policy: Policy{GiveUp: time.Minute}}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	invited[0] = 99
	if got := m.Wait().Shards; !slices.Equal(got, []int{4, 7}) {
		t.Errorf("the round waits for %v, want shards 4 and 7", got)
	}
}
