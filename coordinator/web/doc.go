// Package web is the room for HTTP in front of a coordinator: a health check, a status for people, and metrics.
//
// Rules. It only looks, through Source; nothing here changes a run. Every request takes one Status, so that what one answer
// says belongs together. Names of metrics and the first word of /healthz are a contract with monitoring: they are added,
// never renamed. At any time the system says whom it waits for and until when: on the status page in words, in the metrics
// as fedrelu_wait_seconds and fedrelu_wait_deadline_seconds.
//
// Metrics of a run are there while it is the active one, but for what was measured of it: fedrelu_run_drift, _drift_rel and
// _divergence (label run), fedrelu_layer_rank, _effective_rank and _stable_rank (labels run and layer) keep the last values, of the
// eight runs that were measured last and 256 layers of each, until the run is removed. What was never measured is absent.
package web
