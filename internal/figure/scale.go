package figure

import (
	"fmt"
	"math"
	"strconv"
)

// step returns the smallest of 1, 2, 5, 10, 20, 50, ... that is at least v.
func step(v float64) int {
	for base := 1; ; base *= 10 {
		for _, m := range []int{1, 2, 5} {
			if float64(m*base) >= v || base > math.MaxInt/100 {
				return m * base
			}
		}
	}
}

// thousands writes 60000 as 60,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// tens are ten colours that stay apart from each other on white, also for most people who see fewer.
var tens = []string{"#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#8c8c8c"}

// color returns the colour of item i of n: one of ten, or where there are more, a hue of its own, neighbours light and dark
// in turn.
func color(i, n int) string {
	if n <= len(tens) {
		return tens[i]
	}
	return fmt.Sprintf("hsl(%d,%d%%,%d%%)", 360*i/n, 60, 45+20*(i%2))
}
