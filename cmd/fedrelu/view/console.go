package view

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// Console is the one writer of a terminal or a pipe for people: whole lines, and on a terminal one live line below them.
// It may be used by any number of goroutines; slog handlers and others may write to it as an io.Writer.
type Console struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal in characters; nil: not a terminal
	live  func(width int) string
	shown int    // characters of the live line that is on the screen
	part  []byte // of a line that is not complete yet
}

// NewConsole returns a console that writes to w. width is nil where w is no terminal.
func NewConsole(w io.Writer, width func() int) *Console { return &Console{w: w, width: width} }

// Terminal tells whether there can be a live line.
func (c *Console) Terminal() bool { return c.width != nil }

// Printf writes one line, above the live line.
func (c *Console) Printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.above([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// Write takes lines; one that is not complete is kept until the rest of it comes. It never fails: there is nobody to tell.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.part = append(c.part, p...)
	if end := bytes.LastIndexByte(c.part, '\n'); end >= 0 {
		c.above(c.part[:end+1])
		c.part = append(c.part[:0], c.part[end+1:]...)
	}
	return len(p), nil
}

// Live sets what draws the live line. It is called by Redraw and after every line, one call at a time, until Keep.
func (c *Console) Live(line func(width int) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.live = line
	c.draw()
}

// Keep draws the live line a last time and leaves it where it is, as a line like any other.
func (c *Console) Keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw()
	if c.shown > 0 {
		_, _ = io.WriteString(c.w, "\n")
	}
	c.live, c.shown = nil, 0
}

// Redraw draws the live line anew, in the width that the terminal has now.
func (c *Console) Redraw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw()
}

// The terminal is asked to erase what follows the new text, so that a shorter line leaves nothing of a longer one.
const (
	toStart    = "\r"
	eraseBelow = "\x1b[J"
)

func (c *Console) above(lines []byte) {
	c.clear()
	_, _ = c.w.Write(lines)
	c.draw()
}

// clear takes the live line away, and all rows over which the terminal has spread it if it has become narrower since.
func (c *Console) clear() {
	if c.shown == 0 {
		return
	}
	_, _ = io.WriteString(c.w, c.home()+eraseBelow)
	c.shown = 0
}

// home goes to where the live line begins.
func (c *Console) home() string {
	if rows := (c.shown - 1) / max(1, c.width()); c.shown > 0 && rows > 0 {
		return fmt.Sprintf("%s\x1b[%dA", toStart, rows)
	}
	return toStart
}

// draw leaves the last column free: a terminal would go to the next line after it.
func (c *Console) draw() {
	if c.width == nil || c.live == nil {
		return
	}
	line := c.live(max(1, c.width()-1))
	_, _ = io.WriteString(c.w, c.home()+line+eraseBelow)
	c.shown = utf8.RuneCountInString(line)
}
