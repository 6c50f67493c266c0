package coordinator

import (
	"log/slog"
	"runtime"
	"time"
)

func fillDefaults(cfg *Config) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 500 * time.Millisecond
	}
	if cfg.Lost <= 0 {
		cfg.Lost = max(3*time.Second, 3*cfg.Heartbeat)
	}
	if cfg.MeasureGiveUp <= 0 {
		cfg.MeasureGiveUp = 30 * time.Second
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
}
