package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /healthz, / and /metrics.
type Handler struct {
	source  Source
	started time.Time
	now     func() time.Time
	mux     *http.ServeMux
}

// New returns a handler that looks at source. now is the clock; nil stands for time.Now.
func New(source Source, now func() time.Time) *Handler {
	if now == nil {
		now = time.Now
	}
	h := &Handler{source: source, started: now(), now: now, mux: http.NewServeMux()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{source: source, now: now})
	h.mux.HandleFunc("GET /healthz", h.health)
	h.mux.HandleFunc("GET /{$}", h.page)
	h.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// health answers 200 "ok ..." while the coordinator serves, and 503 with the reason otherwise.
func (h *Handler) health(w http.ResponseWriter, r *http.Request) {
	plainText(w)
	st, err := h.source.Status(r.Context())
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "unavailable: %v\n", err)
		return
	}
	doing := "waiting for runs"
	if st.Run != nil {
		doing = "running " + st.Run.ID
	}
	fmt.Fprintf(w, "ok %s, %s\n", count(len(st.Workers), "worker"), doing)
}

func plainText(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
