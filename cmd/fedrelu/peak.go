package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// peakRSS returns the largest resident memory that this process ever had, in bytes; 0 where nobody says it.
func peakRSS() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	return highWater(f)
}

// highWater finds VmHWM in the form of /proc/PID/status.
func highWater(r io.Reader) int64 {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes * 1024
	}
	return 0
}
