package spec

import (
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// override sets the value at a path as if the file had it there: `path=value`, the value in YAML. It takes the place of
// what the file says, and of the keys that it excludes; null takes the key away. A list is replaced as a whole.
func (r *reader) override(m protoreflect.Message, setting string) {
	t := &text{file: "--set " + clip(setting), override: true}
	path, value, found := strings.Cut(setting, "=")
	if !found || path == "" {
		r.note(t, nil, "", "expected path=value, as in local.batch=10")
		return
	}
	m, f := r.descend(t, m, path)
	if f.FieldDescriptor == nil {
		return
	}
	node, reason := parseValue(value, f.FieldDescriptor)
	if node == nil {
		r.note(t, nil, path, reason)
		return
	}
	r.clear(m, f)
	if value == "null" {
		r.places[path] = place{text: t}
		return
	}
	r.places[path] = place{text: t, value: node}
	r.value(t, node, m, f)
}

// descend goes to the message that holds the last field of path, making those on the way that the file does not have.
func (r *reader) descend(t *text, m protoreflect.Message, path string) (protoreflect.Message, fieldAt) {
	at := ""
	for {
		name, rest, more := strings.Cut(path, ".")
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			r.note(t, nil, at, unknownField(name, m.Descriptor()))
			return nil, fieldAt{}
		}
		f := fieldAt{fd, join(at, name)}
		if !more {
			return m, f
		}
		if fd.IsList() || !isMessage(fd) {
			r.note(t, nil, f.path, "there are no keys below it, set it as a whole")
			return nil, fieldAt{}
		}
		if !m.Has(fd) {
			r.clear(m, f)
			r.places[f.path] = place{text: t}
		}
		m, at, path = m.Mutable(fd).Message(), f.path, rest
	}
}

// clear takes away the field and those that it excludes, and forgets where they were.
func (r *reader) clear(m protoreflect.Message, f fieldAt) {
	for _, name := range append([]string{string(f.Name())}, exclusive(f.FieldDescriptor)...) {
		m.Clear(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
		gone := join(parent(f.path), name)
		for path := range r.places {
			if within(path, gone) {
				delete(r.places, path)
			}
		}
	}
}

// within tells whether path is outer or below it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// parseValue reads an override's value, or says why not. A text needs no quotes.
func parseValue(value string, fd protoreflect.FieldDescriptor) (node *yaml.Node, reason string) {
	_, node, problems := parseDocument("", []byte(value))
	if fd.Kind() == protoreflect.StringKind && value != "null" && (node == nil || node.Kind != yaml.ScalarNode || node.Style == 0) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}, ""
	}
	switch {
	case strings.TrimSpace(value) == "":
		return nil, "expected a value after ="
	case node == nil:
		return nil, problems[0].Message
	}
	return node, ""
}
