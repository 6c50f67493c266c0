package view

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// Console is the one writer of a terminal or a pipe for people: whole lines, and on a terminal one live line below them.
// It may be used by any number of goroutines; slog handlers and others may write to it as an io.Writer.
type Console struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal in characters; nil: not a terminal
	live  func(width int) string
	shown bool   // the live line is on the screen
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

// Live sets what draws the live line, nil for none. It is called by Redraw and after every line, one call at a time.
func (c *Console) Live(line func(width int) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.live = line
	c.draw()
}

// Redraw draws the live line anew, in the width that the terminal has now.
func (c *Console) Redraw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw()
}

// The terminal is asked to erase what is right of the new text, so that a shorter line leaves nothing of a longer one.
const (
	toStart   = "\r"
	eraseRest = "\x1b[K"
)

func (c *Console) above(lines []byte) {
	c.clear()
	_, _ = c.w.Write(lines)
	c.draw()
}

func (c *Console) clear() {
	if c.shown {
		_, _ = io.WriteString(c.w, toStart+eraseRest)
		c.shown = false
	}
}

// draw leaves the last column free: a terminal would go to the next line after it.
func (c *Console) draw() {
	if c.width == nil || c.live == nil {
		return
	}
	line := c.live(max(1, c.width()-1))
	_, _ = io.WriteString(c.w, toStart+line+eraseRest)
	c.shown = true
}
