package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bytes writes a number of bytes with two or three digits: 950B, 8.0MB, 12MB.
func Bytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + "B"
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if v /= 1000; v < 999.5 {
			break
		}
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f%s", v, unit)
	}
	return fmt.Sprintf("%.0f%s", v, unit)
}

// Seconds writes a duration as people say it: 12ms, 1.2s, 1m20s, 2h05m.
func Seconds(s float64) string {
	switch {
	case math.IsNaN(s) || s < 0 || s > 1e9:
		return "?"
	case s < 0.0995:
		return fmt.Sprintf("%.0fms", s*1000)
	case s < 9.95:
		return fmt.Sprintf("%.1fs", s)
	}
	d := time.Duration(math.Round(s)) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// number writes a measured number with so many decimals, and - for one that was not measured.
func number(v *float64, decimals int) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', decimals, 64)
}

// loss writes a loss in at most seven characters as long as it is below a million.
func loss(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case math.Abs(*v) < 100:
		return number(v, 4)
	}
	return strconv.FormatFloat(*v, 'g', 4, 64)
}

// shortLoss is loss with a digit less, where there is little room.
func shortLoss(v *float64) string {
	if v == nil || math.Abs(*v) >= 100 {
		return loss(v)
	}
	return number(v, 3)
}

// rank writes an effective rank.
func rank(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Cut returns the first width characters of s, the last of them … if something is missing.
func Cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// plain makes text from elsewhere safe for a terminal: one line, without control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

func joinWords(words ...string) string {
	var some []string
	for _, w := range words {
		if w != "" {
			some = append(some, plain(w))
		}
	}
	return strings.Join(some, "  ")
}

func colon(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + plain(why)
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
