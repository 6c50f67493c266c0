package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/coordinator"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/web"
)

// statusSource shows an engine to package web. It reads the chains of runs when it is asked, from where it stopped last
// time, so that nothing has to be counted while rounds go on.
type statusSource struct {
	e       *engine
	started time.Time

	mu      sync.Mutex
	stories map[string]*view.Story // of runs that were worked on since the start, and are still there
	rounds  web.Rounds
}

func newStatusSource(e *engine) *statusSource {
	s := &statusSource{e: e, started: time.Now(), stories: make(map[string]*view.Story)}
	s.rounds.Seconds = make(map[string]float64)
	for _, part := range []string{"train", "wait", "network", "aggregate", "commit", "measure"} {
		s.rounds.Seconds[part] = 0 // monitoring wants to see that nothing has been counted yet
	}
	return s
}

// Status implements web.Source.
func (s *statusSource) Status(ctx context.Context) (web.Status, error) {
	select {
	case <-s.e.ended:
		return web.Status{}, errors.New("the coordinator has ended")
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	runs, err := s.e.c.Runs()
	if err != nil {
		return web.Status{}, err
	}
	now := s.e.c.Status()
	st := web.Status{Build: build(), Up: now.Up, Down: now.Down}
	for _, r := range runs {
		if r.Status == record.Queued {
			st.Queue = append(st.Queue, web.Queued{ID: r.ID, Name: r.Name})
		}
		if r.Status == record.Running || r.Ended.After(s.started) {
			if err := s.catchUp(ctx, r.ID); err != nil {
				return web.Status{}, err
			}
		}
	}
	for _, w := range now.Workers {
		st.Workers = append(st.Workers, webWorker(w, now.Progress))
	}
	s.forget(runs)
	st.Run, st.Measured = s.active(now.Progress), s.measured()
	st.Rounds = s.rounds.Clone()
	return st, nil
}

// catchUp reads what a run's chain has more than at the last look.
func (s *statusSource) catchUp(ctx context.Context, id string) error {
	story := s.stories[id]
	if story == nil {
		story = &view.Story{}
		s.stories[id] = story
	}
	return s.e.c.Follow(ctx, id, story.Next, false, func(u coordinator.Update) error {
		e := event(u)
		if e.Entry != nil {
			if err := s.count(*e.Entry); err != nil {
				return err
			}
		}
		_, err := story.Add(e)
		return err
	})
}

// count adds what an entry says to the totals, if it is younger than this process.
func (s *statusSource) count(e record.Entry) error {
	sum := s.rounds.Seconds
	switch e.Kind {
	case record.KindRound:
		r, err := e.Round()
		if err != nil {
			return err
		}
		if r.Number == 0 || r.Time.Before(s.started) {
			return nil
		}
		s.rounds.Committed++
		sum["train"] += r.Seconds.Train
		sum["wait"] += r.Seconds.Wait
		sum["network"] += r.Seconds.Network
		sum["aggregate"] += r.Seconds.Aggregate
	case record.KindMeasured:
		m, err := e.Measured()
		if err != nil {
			return err
		}
		if !m.Time.Before(s.started) {
			sum["measure"] += m.Seconds
		}
	}
	if e.Committed != nil && s.rounds.Committed > 0 {
		sum["commit"] += e.Committed.Seconds
	}
	return nil
}

// forget drops what is known of runs that were removed.
func (s *statusSource) forget(runs []record.Run) {
	maps.DeleteFunc(s.stories, func(id string, _ *view.Story) bool {
		return !slices.ContainsFunc(runs, func(r record.Run) bool { return r.ID == id })
	})
}

// measured returns what was last measured of the runs, the newest first.
func (s *statusSource) measured() []web.Measured {
	var stories []*view.Story
	for _, story := range s.stories {
		if story.Measured != nil {
			stories = append(stories, story)
		}
	}
	slices.SortFunc(stories, func(a, b *view.Story) int {
		return cmp.Or(b.Measured.Time.Compare(a.Measured.Time), cmp.Compare(a.Run.ID, b.Run.ID))
	})
	var all []web.Measured
	for _, story := range stories {
		all = append(all, webMeasured(story))
	}
	return all
}

func webMeasured(story *view.Story) web.Measured {
	m := web.Measured{Run: story.Run.ID}
	if d := story.Drift; d != nil {
		m.Drift, m.DriftRel, m.Divergence = d.Drift, d.DriftRel, d.Divergence
	}
	for _, l := range story.Layers {
		if s := l.Spectrum; s != nil {
			m.Layers = append(m.Layers, web.LayerRank{Name: l.Name, Rank: s.Rank, Effective: s.EffectiveRank, Stable: s.StableRank})
		}
	}
	return m
}

func (s *statusSource) active(p *coordinator.Progress) *web.Run {
	if p == nil {
		return nil
	}
	r := &web.Run{ID: p.Run, Round: p.Round, Phase: p.Phase, Answered: p.Answered, Invited: p.Invited, Wait: webWait(p)}
	if story := s.stories[p.Run]; story != nil {
		r.Name, r.Goal = story.Run.Name, story.Goal
		if story.Last != nil {
			r.Accuracy, r.Loss = story.Last.TestAccuracy, story.Last.TestLoss
		}
	}
	return r
}

func webWait(p *coordinator.Progress) web.Wait {
	w := web.Wait{For: p.WaitingFor, Reason: p.Phase, Awaited: p.Awaited, Since: p.Since, Until: p.Until}
	if strings.HasPrefix(p.WaitingFor, "no worker") {
		w.Reason = "no_worker"
	}
	return w
}

func webWorker(w coordinator.WorkerStatus, p *coordinator.Progress) web.Worker {
	state := "idle"
	if p != nil {
		for _, name := range p.Awaited {
			if name == w.Name {
				state = fmt.Sprintf("works on round %d", p.Round)
			}
		}
	}
	shards := fmt.Sprint(w.Shards)
	return web.Worker{Name: w.Name, Slots: w.Slots, Shards: shards, State: state, Since: w.Since}
}
