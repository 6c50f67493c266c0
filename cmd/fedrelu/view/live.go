package view

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// form is one way to write a part of the live line. worth says how much is lost with it when the next, shorter form is
// taken in its place; the last form of a part stays.
type form struct {
	text  string
	worth int
}

// What is lost with a form, from the least to the most.
const (
	worthBothWays = iota + 1
	worthWordEffective
	worthWaitInWords
	worthWordRound
	worthPhase
	worthBytes
	worthAnswered
	worthDrift
	worthRank
	worthETA
	worthLoss
	worthAccuracy
)

// LiveLine is the one line that a terminal shows of a running run, at most width characters: parts take shorter forms, or
// go, in the order of their worth. now is for countdowns.
func (s *Story) LiveLine(width int, now time.Time) string {
	return fit([][]form{s.liveRound(), s.liveLoss(), s.liveAccuracy(), s.liveDrift(), s.liveRank(), s.liveBytes(), s.liveETA(),
		s.liveWait(now)}, width)
}

func fit(parts [][]form, width int) string {
	full := slices.Clone(parts)
	var order []int // the parts that were shortened, one after the other
	for utf8.RuneCountInString(assemble(parts)) > width {
		i := leastWorth(parts)
		if i < 0 {
			return Cut(assemble(parts), width)
		}
		parts[i] = parts[i][1:]
		order = append(order, i)
	}
	// What was shortened early may fit again after something longer has gone.
	for _, i := range slices.Backward(order) {
		shorter := parts[i]
		parts[i] = full[i][len(full[i])-len(shorter)-1:]
		if utf8.RuneCountInString(assemble(parts)) > width {
			parts[i] = shorter
		}
	}
	return assemble(parts)
}

// leastWorth returns the part whose next form loses least, -1 if none can be shortened.
func leastWorth(parts [][]form) int {
	least := -1
	for i, forms := range parts {
		if len(forms) > 1 && (least < 0 || forms[0].worth < parts[least][0].worth) {
			least = i
		}
	}
	return least
}

func assemble(parts [][]form) string {
	var texts []string
	for _, forms := range parts {
		if len(forms) > 0 && forms[0].text != "" {
			texts = append(texts, forms[0].text)
		}
	}
	return strings.Join(texts, gap)
}

// optional is a part that may be left out.
func optional(worth int, text string) []form { return []form{{text, worth}, {}} }

func (s *Story) liveRound() []form {
	if s.Last == nil {
		return []form{{text: s.Run.Status.String()}}
	}
	number := fmt.Sprintf("%d/%d", s.Last.Number, s.Goal)
	return []form{{"round " + number, worthWordRound}, {text: number}}
}

func (s *Story) liveLoss() []form {
	switch {
	case s.Last == nil:
	case s.Last.TestLoss != nil:
		return optional(worthLoss, "loss "+shortLoss(s.Last.TestLoss))
	case s.Last.TrainLoss != nil:
		return optional(worthLoss, "train_loss "+shortLoss(s.Last.TrainLoss))
	}
	return nil
}

func (s *Story) liveAccuracy() []form {
	if s.Last == nil || s.Last.TestAccuracy == nil {
		return nil
	}
	return optional(worthAccuracy, fmt.Sprintf("acc %.4f", *s.Last.TestAccuracy))
}

func (s *Story) liveDrift() []form {
	if d := driftOf(s.Measured); d != nil && d.DriftRel != nil {
		return optional(worthDrift, fmt.Sprintf("drift %.2f", *d.DriftRel))
	}
	return nil
}

func (s *Story) liveRank() []form {
	if s.Rank == nil {
		return nil
	}
	return []form{{"eff rank " + rank(*s.Rank), worthWordEffective}, {"rank " + rank(*s.Rank), worthRank}, {}}
}

func (s *Story) liveBytes() []form {
	if s.Up+s.Down == 0 {
		return nil
	}
	both := form{fmt.Sprintf("up %s down %s", Bytes(s.Up), Bytes(s.Down)), worthBothWays}
	return append([]form{both}, optional(worthBytes, Bytes(s.Up+s.Down))...)
}

func (s *Story) liveETA() []form {
	left, ok := s.SecondsLeft()
	if !ok {
		return nil
	}
	atMost := ""
	if s.mayStop {
		atMost = "<"
	}
	return optional(worthETA, "ETA "+atMost+Seconds(left))
}

// settle is how long a wait must last to be said before everything else: at the start of a round nobody may be there for a
// moment.
const settle = time.Second

// liveWait says whom the run waits for. A wait that ends at a certain time is said before everything else.
func (s *Story) liveWait(now time.Time) []form {
	p := s.Progress
	if p == nil || s.Run.Status != record.Running {
		return nil
	}
	bounded := !p.Until.IsZero()
	if bounded && s.bounded.IsZero() {
		s.bounded = now
	}
	if bounded && now.Sub(s.bounded) >= settle {
		left := max(0, p.Until.Sub(now))
		return []form{{text: fmt.Sprintf("%s left: %s", Seconds(left.Seconds()), plain(p.WaitingFor))}}
	}
	var forms []form
	if p.WaitingFor != "" && !bounded {
		forms = append(forms, form{plain(p.WaitingFor), worthWaitInWords})
	}
	if p.Invited == 0 {
		return append(forms, optional(worthPhase, plain(p.Phase))...)
	}
	answered := fmt.Sprintf("%d/%d", p.Answered, p.Invited)
	return append(append(forms, form{plain(p.Phase) + " " + answered, worthPhase}), optional(worthAnswered, answered)...)
}
