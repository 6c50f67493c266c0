package shard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// words is a column of texts: which word each row has, the words in the order of their first row, and its line.
type words struct {
	number map[string]int32
	list   []string
	lines  []int
	of     []int32
}

// add appends the word of a row; most is how many different ones there may be.
func (w *words) add(word string, line, most int) error {
	n, ok := w.number[word]
	if !ok {
		if w.number == nil {
			w.number = map[string]int32{}
		}
		if len(w.list) == most {
			return fmt.Errorf("%w: more than %d different values", ErrData, most)
		}
		n = int32(len(w.list))
		word = strings.Clone(word) // the reader's row is one long text
		w.number[word] = n
		w.list, w.lines = append(w.list, word), append(w.lines, line)
	}
	w.of = append(w.of, n)
	return nil
}

// whole returns a word as a whole number from 0 to below limit: 3, or 3.0 as tables of floats have it.
func whole(word string, limit int64) (int64, bool) {
	if strings.Trim(word, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || v < 0 || v >= float64(limit) || v != math.Trunc(v) {
		return 0, false
	}
	return int64(v), true
}

// numberClasses gives the words of the labels their numbers, which the training set decides; numbers: labels must be
// whole numbers.
func numberClasses(train, test *csvSet, numbers bool) error {
	if train == nil || train.classes.list == nil {
		return nil
	}
	if _, is := whole(train.classes.list[0], MaxClasses); !is && !numbers {
		return wordClasses(train, test)
	}
	why := ", as the first training label is one"
	if numbers {
		why = ""
	}
	for _, s := range []*csvSet{train, test} {
		if s == nil || s.classes.list == nil {
			continue
		}
		if err := s.setNumbers(why); err != nil {
			return err
		}
		s.set.Classes, s.set.Outputs = train.set.Classes, train.set.Classes
	}
	return nil
}

// setNumbers takes every label as a number; why says why it has to be one.
func (s *csvSet) setNumbers(why string) error {
	numbers := make([]int32, len(s.classes.list))
	for w, word := range s.classes.list {
		n, ok := whole(word, MaxClasses)
		if !ok {
			return fmt.Errorf("%s:%d: %w: label %s, want a whole number from 0 to %d%s",
				s.table.name, s.classes.lines[w], ErrData, clipped(word), MaxClasses-1, why)
		}
		numbers[w] = int32(n)
	}
	s.setLabels(numbers)
	return nil
}

// wordClasses numbers the words of the training set in their order.
func wordClasses(train, test *csvSet) error {
	sorted := slices.Sorted(slices.Values(train.classes.list))
	for _, s := range []*csvSet{train, test} {
		if s == nil || s.classes.list == nil {
			continue
		}
		numbers := make([]int32, len(s.classes.list))
		for w, word := range s.classes.list {
			n, ok := slices.BinarySearch(sorted, word)
			if !ok {
				return fmt.Errorf("%s:%d: %w: label %s does not occur in the training set, which has %d different ones",
					s.table.name, s.classes.lines[w], ErrData, clipped(word), len(sorted))
			}
			numbers[w] = int32(n)
		}
		s.setLabels(numbers)
		s.set.Classes, s.set.Outputs = len(sorted), len(sorted)
	}
	return nil
}

func (s *csvSet) setLabels(numbers []int32) {
	s.set.Labels = make([]int32, len(s.classes.of))
	for i, w := range s.classes.of {
		s.set.Labels[i] = numbers[w]
	}
	s.set.setClasses()
}

// ranks numbers the words from 0 in ascending order: of their values if all are whole numbers, otherwise of their bytes.
func (w *words) ranks() []int32 {
	values := make([]int64, len(w.list))
	numbers := true
	for i, word := range w.list {
		var ok bool
		values[i], ok = whole(word, 1<<53)
		numbers = numbers && ok
	}
	rank := ranks(w.list)
	if numbers {
		rank = ranks(values)
	}
	of := make([]int32, len(w.of))
	for i, n := range w.of {
		of[i] = rank[n]
	}
	return of
}

// ranks returns for each value how many different ones are smaller.
func ranks[T cmp.Ordered](values []T) []int32 {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	of := make([]int32, len(values))
	for i, v := range values {
		n, _ := slices.BinarySearch(sorted, v)
		of[i] = int32(n)
	}
	return of
}
