package spec

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// place is where a value was written. key is nil for list items and the root; both are nil for what an override made on
// the way to its value.
type place struct {
	*text
	key, value *yaml.Node
}

// reader fills a message from nodes and remembers where each value came from.
type reader struct {
	places   map[string]place    // by path
	failed   map[string]struct{} // paths of values that could not be read
	around   map[string]struct{} // paths above these
	problems []Problem
}

func newReader() *reader {
	return &reader{places: map[string]place{}, failed: map[string]struct{}{}, around: map[string]struct{}{}}
}

// note reports a problem at a node.
func (r *reader) note(t *text, node *yaml.Node, path, message string) {
	r.problems = append(r.problems, t.problem(node, path, message))
}

// fail reports that the value at path could not be read.
func (r *reader) fail(t *text, node *yaml.Node, path, format string, args ...any) {
	r.spoil(path)
	r.note(t, node, path, fmt.Sprintf(format, args...))
}

// spoil marks a path of which the message does not hold what was meant: what depends on it cannot be checked.
func (r *reader) spoil(path string) {
	r.failed[path] = struct{}{}
	for path != "" {
		path = parent(path)
		r.around[path] = struct{}{}
	}
}

// spoiled tells whether the value at path, one around it or one in it could not be read.
func (r *reader) spoiled(path string) bool {
	if _, inside := r.around[path]; inside {
		return true
	}
	for {
		if _, failed := r.failed[path]; failed || path == "" {
			return failed
		}
		path = parent(path)
	}
}

// message reads a mapping into m.
func (r *reader) message(t *text, node *yaml.Node, m protoreflect.Message, path string) {
	if !r.plain(t, node, path) {
		return
	}
	if node.Kind != yaml.MappingNode {
		r.fail(t, node, path, "expected a mapping, %s, got %s", keysOf(m.Descriptor()), describe(node))
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		r.entry(t, entry{key: node.Content[i], value: node.Content[i+1], seen: seen}, m, path)
	}
}

// entry is a key of a mapping with its value, and the keys before it.
type entry struct {
	key, value *yaml.Node
	seen       map[string]*yaml.Node
}

func (r *reader) entry(t *text, e entry, m protoreflect.Message, path string) {
	if !r.plain(t, e.key, path) {
		return
	}
	if e.key.Kind != yaml.ScalarNode {
		r.note(t, e.key, path, "a key is a word, got "+describe(e.key))
		return
	}
	name := e.key.Value
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if fd == nil {
		r.note(t, e.key, path, unknownField(name, m.Descriptor()))
		r.spoil(join(path, name))
		return
	}
	if first := e.seen[name]; first != nil {
		r.note(t, e.key, join(path, name), fmt.Sprintf("the key is there twice, first in line %d", first.Line))
		return
	}
	if r.rivals(t, e, fd, path) {
		m = m.New() // so that what is wrong inside is said too
	}
	e.seen[name] = e.key
	path = join(path, name)
	r.places[path] = place{text: t, key: e.key, value: e.value}
	r.value(t, e.value, m, fieldAt{fd, path})
}

// rivals refuses a key that excludes one before it.
func (r *reader) rivals(t *text, e entry, fd protoreflect.FieldDescriptor, path string) bool {
	group := exclusive(fd)
	for _, other := range group {
		if first := e.seen[other]; first != nil {
			r.note(t, e.key, path, fmt.Sprintf("only one of %s is allowed, got %s (line %d) and %s", group, other, first.Line, fd.Name()))
			return true
		}
	}
	return false
}

// fieldAt is a field with the path of its value.
type fieldAt struct {
	protoreflect.FieldDescriptor
	path string
}

// value reads what stands after a key.
func (r *reader) value(t *text, node *yaml.Node, m protoreflect.Message, f fieldAt) {
	switch {
	case f.IsList():
		r.list(t, node, m, f)
	case isMessage(f.FieldDescriptor):
		r.message(t, node, m.Mutable(f.FieldDescriptor).Message(), f.path)
	default:
		if v, ok := r.scalar(t, node, f); ok {
			m.Set(f.FieldDescriptor, v)
		}
	}
}

func (r *reader) list(t *text, node *yaml.Node, m protoreflect.Message, f fieldAt) {
	if !r.plain(t, node, f.path) {
		return
	}
	if node.Kind != yaml.SequenceNode {
		r.fail(t, node, f.path, "expected a list, as in [..., ...], got %s", describe(node))
		return
	}
	list := m.Mutable(f.FieldDescriptor).List()
	for i, item := range node.Content {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		r.places[path] = place{text: t, value: item}
		v := list.NewElement()
		if isMessage(f.FieldDescriptor) {
			r.message(t, item, v.Message(), path)
		} else if read, ok := r.scalar(t, item, fieldAt{f.FieldDescriptor, path}); ok {
			v = read
		}
		list.Append(v)
	}
}

// plain refuses what stands for something else: anchors, aliases, and tags that are not YAML's own.
func (r *reader) plain(t *text, node *yaml.Node, path string) bool {
	switch tag := node.ShortTag(); {
	case node.Kind == yaml.AliasNode:
		r.fail(t, node, path, "aliases (*%s) are not allowed, write the value out", clip(node.Value))
	case node.Anchor != "":
		r.fail(t, node, path, "anchors (&%s) are not allowed", clip(node.Anchor))
	case tag == "!!merge":
		r.fail(t, node, path, "merge keys (<<) are not allowed, write the keys out")
	case !strings.HasPrefix(tag, "!!"):
		r.fail(t, node, path, "tags (%s) are not allowed", clip(tag))
	default:
		return true
	}
	return false
}

// unknownField says that md has no such key, and which it has.
func unknownField(key string, md protoreflect.MessageDescriptor) string {
	names := fieldNames(md)
	if len(names) == 0 {
		return fmt.Sprintf("unknown field %s, expected none: write {}", quote(key))
	}
	return fmt.Sprintf("unknown field %s, expected one of %s%s", quote(key), names, didYouMean(key, names))
}

// keysOf describes the mapping of md.
func keysOf(md protoreflect.MessageDescriptor) string {
	if names := fieldNames(md); len(names) > 0 {
		return fmt.Sprintf("with keys of %s", names)
	}
	return "{}"
}

// parent returns the path of the value around the one at path.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
