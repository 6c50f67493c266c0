package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Numbers are decimal. YAML would also read 012 as ten, 0x10 and 1_000.
var (
	integer = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	decimal = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
)

// scalar reads one value; false if it has noted a problem.
func (r *reader) scalar(t *text, node *yaml.Node, f fieldAt) (protoreflect.Value, bool) {
	if !r.plain(t, node, f.path) {
		return protoreflect.Value{}, false
	}
	value, want := parseScalar(node, f.FieldDescriptor)
	if want != "" {
		r.fail(t, node, f.path, "expected %s, got %s", want, describe(node))
	}
	return value, want == ""
}

// parseScalar returns the node's value, or what is wanted instead.
func parseScalar(node *yaml.Node, fd protoreflect.FieldDescriptor) (value protoreflect.Value, want string) {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(node.Value == "true"), unless(isBool(node), "true or false")
	case protoreflect.Int32Kind:
		low, high := bounds(fd)
		n, err := strconv.ParseInt(number(node, integer), 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), unless(err == nil, fmt.Sprintf("an integer from %d to %d", low, high))
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(number(node, integer), 10, 64)
		return protoreflect.ValueOfUint64(n), unless(err == nil, fmt.Sprintf("an integer from 0 to %d", uint64(math.MaxUint64)))
	case protoreflect.DoubleKind:
		x, err := strconv.ParseFloat(number(node, decimal), 64)
		return protoreflect.ValueOfFloat64(x), unless(err == nil, "a finite number")
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(node.Value), unless(isText(node), "a text (in quotes, if it looks like something else)")
	case protoreflect.EnumKind:
		return parseEnum(node, fd.Enum())
	case protoreflect.MessageKind:
		d, err := time.ParseDuration(node.Value)
		return protoreflect.ValueOfMessage(durationpb.New(d).ProtoReflect()), unless(node.Kind == yaml.ScalarNode && err == nil, "a duration, as in 90s or 1h30m")
	}
	panic("spec: the schema has a field of kind " + fd.Kind().String())
}

func parseEnum(node *yaml.Node, ed protoreflect.EnumDescriptor) (value protoreflect.Value, want string) {
	names := enumNames(ed)
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 && isText(node) && node.Value == enumName(v) {
			return protoreflect.ValueOfEnum(v.Number()), ""
		}
	}
	return value, fmt.Sprintf("one of %s", names)
}

func unless(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

func isBool(node *yaml.Node) bool {
	return node.ShortTag() == "!!bool" && (node.Value == "true" || node.Value == "false")
}

func isText(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str" }

// number returns the digits of a node that is written as a number, and otherwise what no parser takes.
func number(node *yaml.Node, form *regexp.Regexp) string {
	tag := node.ShortTag()
	if node.Kind != yaml.ScalarNode || (tag != "!!int" && tag != "!!float") || !form.MatchString(node.Value) {
		return "no number"
	}
	return strings.TrimPrefix(node.Value, "+")
}

// describe says what stands at a node.
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode && len(node.Content) == 0:
		return "{}"
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(node.Content))
	case node.ShortTag() == "!!null":
		return "nothing"
	case node.ShortTag() == "!!str":
		return quote(node.Value)
	}
	return clip(node.Value)
}

// quote and clip bound what a message repeats of a spec.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
