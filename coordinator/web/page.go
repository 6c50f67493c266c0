package web

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// page writes the status as plain text.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	plainText(w)
	st, err := h.source.Status(r.Context())
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "unavailable: %v\n", err)
		return
	}
	now := h.now()
	fmt.Fprintf(w, "fedrelu coordinator\n\n")
	table(w, func(t io.Writer) {
		fmt.Fprintf(t, "build\t%s\n", st.Build)
		fmt.Fprintf(t, "up\t%s\n", ago(now, h.started))
		fmt.Fprintf(t, "rounds\t%d committed since the start\n", st.Rounds.Committed)
		fmt.Fprintf(t, "traffic\t%d bytes from workers, %d to them\n", st.Up, st.Down)
	})
	writeRun(w, st.Run, now)
	writeQueue(w, st.Queue)
	writeWorkers(w, st.Workers, now)
}

func writeRun(w io.Writer, r *Run, now time.Time) {
	if r == nil {
		fmt.Fprintf(w, "\nno run is active\n")
		return
	}
	fmt.Fprintf(w, "\nrun %s\n", strings.TrimSpace(r.ID+"  "+r.Name))
	table(w, func(t io.Writer) {
		fmt.Fprintf(t, "  round\t%d of %d: %s, %d of %s answered\n", r.Round, r.Goal, r.Phase, r.Answered, count(r.Invited, "shard"))
		if r.Accuracy != nil {
			fmt.Fprintf(t, "  accuracy\t%.4f\n", *r.Accuracy)
		}
		if r.Loss != nil {
			fmt.Fprintf(t, "  loss\t%.4f\n", *r.Loss)
		}
		writeWait(t, r.Wait, now)
	})
}

func writeWait(t io.Writer, wait Wait, now time.Time) {
	if wait.For == "" {
		fmt.Fprintf(t, "  waits\tfor nothing\n")
		return
	}
	fmt.Fprintf(t, "  waits\t%s\n", wait.For)
	if len(wait.Awaited) > 0 {
		fmt.Fprintf(t, "  for\t%s\n", strings.Join(wait.Awaited, ", "))
	}
	if !wait.Since.IsZero() {
		fmt.Fprintf(t, "  since\t%s\n", ago(now, wait.Since))
	}
	if wait.Until.IsZero() {
		fmt.Fprintf(t, "  until\tthey answer or are lost: their heartbeats bound it\n")
		return
	}
	fmt.Fprintf(t, "  until\t%s (%s left)\n", wait.Until.UTC().Format(time.RFC3339), max(0, wait.Until.Sub(now)).Round(time.Second))
}

func writeQueue(w io.Writer, queue []Queued) {
	if len(queue) == 0 {
		fmt.Fprintf(w, "\nthe queue is empty\n")
		return
	}
	fmt.Fprintf(w, "\nqueue\n")
	for _, q := range queue {
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(q.ID+"  "+q.Name))
	}
}

func writeWorkers(w io.Writer, workers []Worker, now time.Time) {
	if len(workers) == 0 {
		fmt.Fprintf(w, "\nno worker is there\n")
		return
	}
	fmt.Fprintf(w, "\n%s\n", count(len(workers), "worker"))
	table(w, func(t io.Writer) {
		fmt.Fprintf(t, "  NAME\tSLOTS\tSHARDS\tSTATE\tHERE FOR\n")
		for _, k := range workers {
			fmt.Fprintf(t, "  %s\t%d\t%s\t%s\t%s\n", k.Name, k.Slots, k.Shards, k.State, ago(now, k.Since))
		}
	})
}

func table(w io.Writer, fill func(io.Writer)) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fill(t)
	_ = t.Flush() // the reader is gone; there is nobody to tell
}

// ago writes how long ago something was.
func ago(now, then time.Time) string { return max(0, now.Sub(then)).Round(time.Second).String() }
