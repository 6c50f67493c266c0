package kernel

// MaxPool takes the largest number of each window of an image, channel by channel: the first of equal ones, and the last
// of those that are not numbers, if there are any. Where in its window each one was, row by row from 0, goes to places.
func MaxPool[F Float](w *Window, y, image []F, places []int32) {
	line := w.OutWidth * w.Channels
	for o := range w.OutHeight {
		y, places, from := y[o*line:][:line], places[o*line:][:line], image[o*w.Stride*w.Width*w.Channels:]
		if pool, ok := any(y).([]float32); ok && w.halves() {
			inUse.Load().pool(pool, any(from).([]float32), places, w)
			continue
		}
		for p := 0; p < line; p += w.Channels {
			largest(w, y[p:][:w.Channels], from[p*w.Stride:], places[p:])
		}
	}
}

// halves tells whether there is assembly for a pool: that of disjoint windows of 2x2 over whole vectors of channels.
func (w *Window) halves() bool {
	return w.Kernel == 2 && w.Stride == 2 && w.Channels%8 == 0 && inUse.Load().pool != nil
}

// place returns where a place of a window is in the image, seen from its corner.
func (w *Window) place(i int) int { return (i/w.Kernel*w.Width + i%w.Kernel) * w.Channels }

// largest does one window, whose corner `from` begins with.
func largest[F Float](w *Window, y, from []F, places []int32) {
	copy(y, from)
	places = places[:len(y)]
	clear(places)
	for i := 1; i < w.Kernel*w.Kernel; i++ {
		for c, v := range from[w.place(i):][:len(y)] {
			if v > y[c] || v != v {
				y[c], places[c] = v, int32(i)
			}
		}
	}
}

// MaxPoolGradient sets dx to the gradient with respect to the image: each number of dy where its window was largest. With
// y, the outputs, only those count where y is not 0 or below: the gradient before a ReLU that gave the image.
func MaxPoolGradient[F Float](w *Window, dx, dy, y []F, places []int32) {
	line := w.OutWidth * w.Channels
	_, single := any(dx).([]float32)
	assembly := single && w.halves() // which writes whole windows
	if !assembly || w.Height%2+w.Width%2 > 0 {
		clear(dx)
	}
	for o := range w.OutHeight {
		to, dy, places := dx[o*w.Stride*w.Width*w.Channels:], dy[o*line:][:line], places[o*line:][:line]
		var mask []F
		if y != nil {
			mask = y[o*line:][:line]
		}
		if assembly {
			inUse.Load().poolGradient(any(to).([]float32), any(dy).([]float32), any(mask).([]float32), places, w)
			continue
		}
		for p := 0; p < line; p += w.Channels {
			if mask != nil {
				mask = y[o*line+p:][:w.Channels]
			}
			spreadLargest(w, to[p*w.Stride:], dy[p:][:w.Channels], mask, places[p:])
		}
	}
}

// spreadLargest does one window, whose corner dx begins with. Where windows are disjoint nothing is added, which would
// lose the sign of zeros.
func spreadLargest[F Float](w *Window, dx, dy, mask []F, places []int32) {
	for c, d := range dy {
		if mask != nil {
			d = masked(d, mask[c])
		}
		at := c + w.place(int(places[c]))
		if w.Stride < w.Kernel {
			d += dx[at]
		}
		dx[at] = d
	}
}
