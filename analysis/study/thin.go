package study

import "fmt"

// thinned says what the saw-tooth of a long round leaves out, so that a record takes the rest.
type thinned struct {
	every  int    // steps between two that are looked at; the last one always is. 0: nothing is
	locals bool   // each local model is said, and not their average alone
	reason string // of what is left out for good
}

// thin chooses for a round of so many steps: half of Most is the saw-tooth's, and of it goes as much as it takes to say all models at
// the last step, then at every step that there is room for. It is a function of the input, so that every worker chooses the same.
func (m *measurement) thin(steps int) thinned {
	t := thinned{every: m.Every, locals: true}
	if m.Most == 0 {
		return t
	}
	room := m.Most/2 - 1 // "sawtooth.every" itself
	moment := m.momentNumbers(len(m.Shards))
	if moment > room {
		t.reason = fmt.Sprintf("%d numbers a step, a record takes %d: measure fewer shards", moment, room)
		t.locals, moment = false, m.momentNumbers(0)
	}
	if moment > room {
		return thinned{reason: fmt.Sprintf("%d numbers a step, a record takes %d", moment, room)}
	}
	moments := room / moment
	t.every = max(t.every, (steps+moments-1)/moments)
	return t
}

// momentNumbers returns how many numbers sayMoment says at most of so many local models and their average.
func (m *measurement) momentNumbers(locals int) int {
	const (
		ofWeight = 9 // see saySpectrum
		ofModel  = 8 // six means of ranks, loss and accuracy
		ofMoment = 2 // divergence, divergence_rel; cancellation is a weight's
	)
	weights := len(m.weightViews())
	return (locals+1)*(ofWeight*weights+ofModel) + weights + ofMoment
}
