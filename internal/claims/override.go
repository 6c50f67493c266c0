package claims

import (
	"slices"
	"strings"
)

// Overridden returns the first path of the user's changes that an analysis would set itself: one of those that it varies, or one
// above or below it. "" if there is none.
func Overridden(set, varies []string) string {
	for _, change := range set {
		if path := pathOf(change); slices.ContainsFunc(varies, func(v string) bool { return meet(path, v) }) {
			return path
		}
	}
	return ""
}

// Yielding returns those of the changes that the user has not made: what only makes a measurement smaller yields to what the user
// asked for.
func (l *Lab) Yielding(changes ...string) []string {
	return slices.DeleteFunc(slices.Clone(changes), func(c string) bool { return l.Sets(pathOf(c)) })
}

// Sets tells whether the user has changed a path, or one above or below it.
func (l *Lab) Sets(path string) bool { return Overridden(l.Set, []string{path}) != "" }

// pathOf returns the path of a change path=value.
func pathOf(change string) string {
	path, _, _ := strings.Cut(change, "=")
	return strings.TrimSpace(path)
}

// meet tells whether one path is the other, or above it.
func meet(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}
