package web

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector makes metrics of one Status at each scrape, so that nothing is counted twice or kept anywhere else.
type collector struct {
	source Source
	now    func() time.Time
}

var (
	descBuild = prometheus.NewDesc("fedrelu_build_info", "1, with the build of the coordinator.", []string{"build"}, nil)
	descUp    = prometheus.NewDesc("fedrelu_up", "1 while the coordinator serves.", nil, nil)

	descWorkers = prometheus.NewDesc("fedrelu_workers", "Workers that are there.", nil, nil)
	descSlots   = prometheus.NewDesc("fedrelu_worker_slots", "Tasks that all workers can compute at once.", nil, nil)
	descQueue   = prometheus.NewDesc("fedrelu_queued_runs", "Runs that wait for their turn.", nil, nil)

	descRounds  = prometheus.NewDesc("fedrelu_rounds_committed_total", "Rounds committed since the start.", nil, nil)
	descSeconds = prometheus.NewDesc("fedrelu_round_seconds_total", "Where the time of the committed rounds went.", []string{"part"}, nil)
	descBytes   = prometheus.NewDesc("fedrelu_wire_bytes_total", "Bytes between workers (up) and coordinator (down).", []string{"direction"}, nil)

	descRound    = prometheus.NewDesc("fedrelu_run_round", "The round at hand of the active run.", []string{"run"}, nil)
	descAnswered = prometheus.NewDesc("fedrelu_round_answered_shards", "Shards of the round that have answered.", []string{"run"}, nil)
	descInvited  = prometheus.NewDesc("fedrelu_round_invited_shards", "Shards of the round.", []string{"run"}, nil)
	descAccuracy = prometheus.NewDesc("fedrelu_run_test_accuracy", "Test accuracy of the active run.", []string{"run"}, nil)
	descLoss     = prometheus.NewDesc("fedrelu_run_test_loss", "Test loss of the active run.", []string{"run"}, nil)

	descWait = prometheus.NewDesc("fedrelu_wait_seconds", "How long the active run has waited for what it waits for.",
		[]string{"run", "reason"}, nil)
	descDeadline = prometheus.NewDesc("fedrelu_wait_deadline_seconds",
		"Seconds until the current wait ends whatever happens; absent where heartbeats alone bound it.", []string{"run", "reason"}, nil)
)

var allDescs = []*prometheus.Desc{descBuild, descUp, descWorkers, descSlots, descQueue, descRounds, descSeconds, descBytes, descRound,
	descAnswered, descInvited, descAccuracy, descLoss, descWait, descDeadline}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range allDescs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	e := emitter{to}
	st, err := c.source.Status(context.Background())
	if err != nil {
		e.gauge(descUp, 0)
		return
	}
	e.gauge(descUp, 1)
	e.gauge(descBuild, 1, st.Build)
	e.gauge(descWorkers, float64(len(st.Workers)))
	slots := 0
	for _, w := range st.Workers {
		slots += w.Slots
	}
	e.gauge(descSlots, float64(slots))
	e.gauge(descQueue, float64(len(st.Queue)))
	e.counter(descRounds, float64(st.Rounds.Committed))
	for part, seconds := range st.Rounds.Seconds {
		e.counter(descSeconds, seconds, part)
	}
	e.counter(descBytes, float64(st.Up), "up")
	e.counter(descBytes, float64(st.Down), "down")
	if st.Run != nil {
		e.run(st.Run, c.now())
	}
}

// emitter sends metrics.
type emitter struct{ to chan<- prometheus.Metric }

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) counter(d *prometheus.Desc, v float64, labels ...string) {
	e.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (e emitter) run(r *Run, now time.Time) {
	e.gauge(descRound, float64(r.Round), r.ID)
	e.gauge(descAnswered, float64(r.Answered), r.ID)
	e.gauge(descInvited, float64(r.Invited), r.ID)
	if r.Accuracy != nil {
		e.gauge(descAccuracy, *r.Accuracy, r.ID)
	}
	if r.Loss != nil {
		e.gauge(descLoss, *r.Loss, r.ID)
	}
	if w := r.Wait; w.For != "" {
		e.gauge(descWait, max(0, now.Sub(w.Since)).Seconds(), r.ID, w.Reason)
		if !w.Until.IsZero() {
			e.gauge(descDeadline, max(0, w.Until.Sub(now)).Seconds(), r.ID, w.Reason)
		}
	}
}
