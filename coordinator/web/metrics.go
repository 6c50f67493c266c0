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

// What was measured outlives the active run, until somebody removes it.
var (
	descDrift      = prometheus.NewDesc("fedrelu_run_drift", "Drift of the gradients, as last measured of the run.", []string{"run"}, nil)
	descDriftRel   = prometheus.NewDesc("fedrelu_run_drift_rel", "Drift relative to the gradients, as last measured of the run.", []string{"run"}, nil)
	descDivergence = prometheus.NewDesc("fedrelu_run_divergence", "Divergence of the local models, as last measured of the run.", []string{"run"}, nil)

	ofLayer           = []string{"run", "layer"}
	descRank          = prometheus.NewDesc("fedrelu_layer_rank", "Rank at checks.rank.epsilon, as last measured of the run's model.", ofLayer, nil)
	descEffectiveRank = prometheus.NewDesc("fedrelu_layer_effective_rank", "Effective rank, as last measured of the run's model.", ofLayer, nil)
	descStableRank    = prometheus.NewDesc("fedrelu_layer_stable_rank", "Stable rank, as last measured of the run's model.", ofLayer, nil)
)

// Bounds of the series that each coordinator shows at once: 3 a run and 3 a layer.
const (
	maxMeasuredRuns   = 8
	maxMeasuredLayers = 256 // the first ones of each run
)

var allDescs = []*prometheus.Desc{descBuild, descUp, descWorkers, descSlots, descQueue, descRounds, descSeconds, descBytes, descRound,
	descAnswered, descInvited, descAccuracy, descLoss, descWait, descDeadline,
	descDrift, descDriftRel, descDivergence, descRank, descEffectiveRank, descStableRank}

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
	for _, m := range st.Measured[:min(len(st.Measured), maxMeasuredRuns)] {
		e.measured(m)
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

// known sends a gauge that there may not be.
func (e emitter) known(d *prometheus.Desc, v *float64, labels ...string) {
	if v != nil {
		e.gauge(d, *v, labels...)
	}
}

func (e emitter) measured(m Measured) {
	e.known(descDrift, m.Drift, m.Run)
	e.known(descDriftRel, m.DriftRel, m.Run)
	e.known(descDivergence, m.Divergence, m.Run)
	for _, l := range m.Layers[:min(len(m.Layers), maxMeasuredLayers)] {
		e.gauge(descRank, float64(l.Rank), m.Run, l.Name)
		e.gauge(descEffectiveRank, l.Effective, m.Run, l.Name)
		e.gauge(descStableRank, l.Stable, m.Run, l.Name)
	}
}

func (e emitter) run(r *Run, now time.Time) {
	e.gauge(descRound, float64(r.Round), r.ID)
	e.gauge(descAnswered, float64(r.Answered), r.ID)
	e.gauge(descInvited, float64(r.Invited), r.ID)
	e.known(descAccuracy, r.Accuracy, r.ID)
	e.known(descLoss, r.Loss, r.ID)
	if w := r.Wait; w.For != "" {
		e.gauge(descWait, max(0, now.Sub(w.Since)).Seconds(), r.ID, w.Reason)
		if !w.Until.IsZero() {
			e.gauge(descDeadline, max(0, w.Until.Sub(now)).Seconds(), r.ID, w.Reason)
		}
	}
}
