package processes

import "time"

const (
	// lasting is how long a process must have lived for its end to count as bad luck.
	lasting = 3 * time.Second
	// tries is how many quick ends in a row are too many.
	tries = 5
	// firstPause doubles with every quick end.
	firstPause = 200 * time.Millisecond
)

// patience decides what becomes of a process that has ended by itself.
type patience struct{ quick int }

// ended takes how long the process lived. It returns the pause before the next start, or false to give it up.
func (p *patience) ended(lived time.Duration) (pause time.Duration, again bool) {
	if lived >= lasting {
		p.quick = 0
	}
	pause = firstPause << p.quick
	p.quick++
	return pause, p.quick < tries
}
