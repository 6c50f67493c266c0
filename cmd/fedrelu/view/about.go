package view

import (
	"fmt"
	"io"

	"github.com/fedrelu/fedrelu/coordinator/control"
)

// Version is the document of `version --json`.
type Version struct {
	Build    string `json:"build"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Protocol uint32 `json:"protocol"`
	Numerics uint32 `json:"numerics"`
	Store    uint32 `json:"store"`
}

// WriteTable writes the versions for people.
func (v Version) WriteTable(w io.Writer) error {
	t := Table{}
	t.Add("build", fmt.Sprintf("%s (%s, %s)", v.Build, v.Go, v.Platform))
	t.Add("protocol", fmt.Sprint(v.Protocol))
	t.Add("numerics", fmt.Sprint(v.Numerics))
	t.Add("store", fmt.Sprint(v.Store))
	return t.Write(w)
}

// Health is the document of `health --json`.
type Health struct {
	OK       bool    `json:"ok"`
	Status   string  `json:"status"` // in words; of a coordinator that does not answer, why
	Build    *string `json:"build"`
	Protocol *uint32 `json:"protocol"`
	Numerics *uint32 `json:"numerics"`
	Workers  *int    `json:"workers"`
	Run      *string `json:"run"` // the active one
}

// NewHealth returns the document of a coordinator that answered, or of one that did not because of err.
func NewHealth(h control.Health, err error) Health {
	if err != nil {
		return Health{Status: err.Error()}
	}
	return Health{
		OK: true, Status: h.Status, Build: &h.Build, Protocol: &h.Protocol, Numerics: &h.Numerics, Workers: &h.Workers,
		Run: text(h.Run),
	}
}

// WriteHealth writes a health for people: one line.
func WriteHealth(w io.Writer, h control.Health) error {
	_, err := fmt.Fprintf(w, "ok: %s, %s, build %s\n", joinWords(plain(h.Status), plain(h.Run)), plural(h.Workers, "worker"), plain(h.Build))
	return err
}
