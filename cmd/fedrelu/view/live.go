package view

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fedrelu/fedrelu/coordinator/record"
)

// segment is a part of the live line: its forms, from the fullest to the shortest. A line that is too wide takes the next
// form of the segment with the lowest worth first; "" leaves it out.
type segment struct {
	worth int
	forms []string
}

// LiveLine is the one line that a terminal shows of a running run, at most width characters. now is for countdowns.
func (s *Story) LiveLine(width int, now time.Time) string {
	segments := []segment{s.roundSegment(), s.lossSegment(), s.accuracySegment(), s.driftSegment(), s.rankSegment(),
		s.trafficSegment(), s.leftSegment(), s.waitSegment(now)}
	return fit(segments, width)
}

func fit(segments []segment, width int) string {
	for {
		line := assemble(segments)
		least := -1
		for i, g := range segments {
			if len(g.forms) > 1 && (least < 0 || g.worth < segments[least].worth) {
				least = i
			}
		}
		if least < 0 || utf8.RuneCountInString(line) <= width {
			return Cut(line, width)
		}
		segments[least].forms = segments[least].forms[1:]
	}
}

func assemble(segments []segment) string {
	var parts []string
	for _, g := range segments {
		if len(g.forms) > 0 && g.forms[0] != "" {
			parts = append(parts, g.forms[0])
		}
	}
	return strings.Join(parts, gap)
}

func (s *Story) roundSegment() segment {
	switch {
	case s.Last == nil:
		return segment{9, []string{s.Run.Status.String()}}
	default:
		return segment{9, []string{roundOf(s.Last.Number, s.Goal)}}
	}
}

func (s *Story) lossSegment() segment {
	switch {
	case s.Last == nil:
	case s.Last.TestLoss != nil:
		return segment{6, []string{"loss " + loss(s.Last.TestLoss), ""}}
	case s.Last.TrainLoss != nil:
		return segment{6, []string{"train " + loss(s.Last.TrainLoss), ""}}
	}
	return segment{}
}

func (s *Story) accuracySegment() segment {
	if s.Last == nil || s.Last.TestAccuracy == nil {
		return segment{}
	}
	return segment{8, []string{fmt.Sprintf("acc %.4f", *s.Last.TestAccuracy)}}
}

func (s *Story) driftSegment() segment {
	if d := driftOf(s.Measured); d != nil && d.DriftRel != nil {
		return segment{4, []string{fmt.Sprintf("drift %.2f", *d.DriftRel), ""}}
	}
	return segment{}
}

func (s *Story) rankSegment() segment {
	ranks := effectiveRanks(s.Measured)
	if len(ranks) == 0 {
		return segment{}
	}
	mean := fmt.Sprintf("rank %s", rank(meanRank(ranks)))
	return segment{3, slices.Compact([]string{"rank " + strings.Join(firstRanks(ranks, 4), " "), mean, ""})}
}

func (s *Story) trafficSegment() segment {
	if s.Up+s.Down == 0 {
		return segment{}
	}
	return segment{1, []string{fmt.Sprintf("up %s down %s", Bytes(s.Up), Bytes(s.Down)), Bytes(s.Up + s.Down), ""}}
}

func (s *Story) leftSegment() segment {
	left, ok := s.SecondsLeft()
	if !ok {
		return segment{}
	}
	return segment{5, []string{"ETA " + Seconds(left), ""}}
}

// waitSegment says whom the run waits for. Where there is a deadline it comes first, so that it is not cut off.
func (s *Story) waitSegment(now time.Time) segment {
	p := s.Progress
	if p == nil || s.Run.Status != record.Running {
		return segment{}
	}
	short := p.Phase
	if p.Invited > 0 {
		short = fmt.Sprintf("%s %d/%d", p.Phase, p.Answered, p.Invited)
	}
	if p.WaitingFor == "" {
		return segment{2, []string{short, ""}}
	}
	long := plain(p.WaitingFor)
	if p.Until.IsZero() {
		return segment{2, []string{long, short, ""}}
	}
	left := max(0, p.Until.Sub(now))
	return segment{7, []string{fmt.Sprintf("%s left: %s", Seconds(left.Seconds()), long)}}
}
