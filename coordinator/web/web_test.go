package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fedrelu/fedrelu/coordinator/web"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// source returns the same status again and again.
type source struct {
	status web.Status
	err    error
}

func (s source) Status(context.Context) (web.Status, error) { return s.status, s.err }

// ask returns the answer to a GET of a room that was opened an hour ago.
func ask(t *testing.T, s source, path string) (int, string) {
	t.Helper()
	times := []time.Time{now.Add(-time.Hour), now}
	h := web.New(s, func() time.Time {
		first := times[0]
		times = times[len(times)-1:]
		return first
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func busy() web.Status {
	accuracy, loss := 0.91, 0.25
	return web.Status{
		Build: "v1", Up: 1000, Down: 2000,
		Workers: []web.Worker{
			{Name: "left", Slots: 2, Shards: "0-9", State: "works on round 3", Since: now.Add(-time.Minute)},
			{Name: "right", Slots: 1, Shards: "all", State: "idle", Since: now.Add(-time.Second)},
		},
		Run: &web.Run{
			ID: "run1", Name: "mnist", Round: 3, Goal: 100, Phase: "train", Answered: 4, Invited: 10, Accuracy: &accuracy, Loss: &loss,
			Wait: web.Wait{For: "answers of 6 shards", Reason: "train", Awaited: []string{"left"}, Since: now.Add(-2 * time.Second), Until: now.Add(90 * time.Second)},
		},
		Queue:  []web.Queued{{ID: "run2", Name: "next"}, {ID: "run3"}},
		Rounds: web.Rounds{Committed: 2, Seconds: map[string]float64{"train": 1.5, "commit": 0.25}},
	}
}

func TestHealth(t *testing.T) {
	for _, c := range []struct {
		name string
		s    source
		code int
		want string
	}{
		{"idle", source{}, 200, "ok 0 workers, waiting for runs\n"},
		{"busy", source{status: busy()}, 200, "ok 2 workers, running run1\n"},
		{"ended", source{err: errors.New("the coordinator has ended")}, 503, "unavailable: the coordinator has ended\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, body := ask(t, c.s, "/healthz"); code != c.code || body != c.want {
				t.Errorf("got %d %q, want %d %q", code, body, c.code, c.want)
			}
		})
	}
}

func TestPageSaysWhomItWaitsForAndUntilWhen(t *testing.T) {
	code, body := ask(t, source{status: busy()}, "/")
	want := `fedrelu coordinator

build    v1
up       1h0m0s
rounds   2 committed since the start
traffic  1000 bytes from workers, 2000 to them

run run1  mnist
  round     3 of 100: train, 4 of 10 shards answered
  accuracy  0.9100
  loss      0.2500
  waits     answers of 6 shards
  for       left
  since     2s
  until     2026-05-04T12:01:30Z (1m30s left)

queue
  run2  next
  run3

2 workers
  NAME   SLOTS  SHARDS  STATE             HERE FOR
  left   2      0-9     works on round 3  1m0s
  right  1      all     idle              1s
`
	if code != 200 || body != want {
		t.Errorf("%d: got\n%s\nwant\n%s", code, body, want)
	}
}

func TestPageOfAnIdleCoordinator(t *testing.T) {
	code, body := ask(t, source{status: web.Status{Build: "v1"}}, "/")
	for _, want := range []string{"no run is active", "the queue is empty", "no worker is there"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d: %q is not in\n%s", code, want, body)
		}
	}
	if code, _ := ask(t, source{}, "/other"); code != 404 {
		t.Errorf("an unknown page: %d, want 404", code)
	}
}

func TestPageOfAWaitThatHeartbeatsBound(t *testing.T) {
	st := busy()
	st.Run.Wait.Until = time.Time{}
	if _, body := ask(t, source{status: st}, "/"); !strings.Contains(body, "heartbeats bound it") {
		t.Errorf("got\n%s", body)
	}
	st.Run.Wait = web.Wait{}
	if _, body := ask(t, source{status: st}, "/"); !strings.Contains(body, "waits     for nothing") {
		t.Errorf("got\n%s", body)
	}
}

func TestMetrics(t *testing.T) {
	code, body := ask(t, source{status: busy()}, "/metrics")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	for _, want := range []string{
		`fedrelu_up 1`,
		`fedrelu_build_info{build="v1"} 1`,
		`fedrelu_workers 2`,
		`fedrelu_worker_slots 3`,
		`fedrelu_queued_runs 2`,
		`fedrelu_rounds_committed_total 2`,
		`fedrelu_round_seconds_total{part="train"} 1.5`,
		`fedrelu_round_seconds_total{part="commit"} 0.25`,
		`fedrelu_wire_bytes_total{direction="up"} 1000`,
		`fedrelu_wire_bytes_total{direction="down"} 2000`,
		`fedrelu_run_round{run="run1"} 3`,
		`fedrelu_round_answered_shards{run="run1"} 4`,
		`fedrelu_round_invited_shards{run="run1"} 10`,
		`fedrelu_run_test_accuracy{run="run1"} 0.91`,
		`fedrelu_run_test_loss{run="run1"} 0.25`,
		`fedrelu_wait_seconds{reason="train",run="run1"} 2`,
		`fedrelu_wait_deadline_seconds{reason="train",run="run1"} 90`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
}

// What was measured stays of runs that are over, as far as there is room, and what was not measured is absent.
func TestMetricsOfMeasurements(t *testing.T) {
	drift, rel := 0.5, 0.125
	st := web.Status{Measured: []web.Measured{{
		Run: "run1", Drift: &drift, DriftRel: &rel,
		Layers: []web.LayerRank{{Name: "0.weight", Rank: 7, Effective: 5.5, Stable: 1.5}},
	}}}
	for i := range 20 {
		m := web.Measured{Run: fmt.Sprintf("old%d", i)}
		for j := range 300 {
			m.Layers = append(m.Layers, web.LayerRank{Name: fmt.Sprint(j)})
		}
		st.Measured = append(st.Measured, m)
	}
	_, body := ask(t, source{status: st}, "/metrics")
	for _, want := range []string{
		`fedrelu_run_drift{run="run1"} 0.5`,
		`fedrelu_run_drift_rel{run="run1"} 0.125`,
		`fedrelu_layer_rank{layer="0.weight",run="run1"} 7`,
		`fedrelu_layer_effective_rank{layer="0.weight",run="run1"} 5.5`,
		`fedrelu_layer_stable_rank{layer="0.weight",run="run1"} 1.5`,
		`fedrelu_layer_rank{layer="255",run="old6"} 0`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if strings.Contains(body, "fedrelu_run_divergence{") {
		t.Error("a divergence that was not measured is there")
	}
	if n := strings.Count(body, "\nfedrelu_layer_rank{"); n != 1+7*256 {
		t.Errorf("%d layers, want those of 8 runs, at most 256 of each", n)
	}
}

func TestMetricsOfACoordinatorThatHasEnded(t *testing.T) {
	code, body := ask(t, source{err: errors.New("ended")}, "/metrics")
	if code != 200 || !strings.Contains(body, "\nfedrelu_up 0\n") || strings.Contains(body, "fedrelu_workers") {
		t.Errorf("%d: got\n%s\nwant fedrelu_up 0 and nothing else", code, body)
	}
}
