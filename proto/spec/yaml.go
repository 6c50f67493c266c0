package spec

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// YAML returns the spec as a file with every key set, in the order of the schema. Parse reads it back to an equal spec.
func (s *Spec) YAML() []byte {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(mapping(s.message().ProtoReflect())); err != nil {
		panic("spec: writing YAML: " + err.Error()) // only for text that is not UTF-8
	}
	return out.Bytes()
}

// MarshalJSON returns the tree of YAML as JSON, with the same keys in the same order.
func (s *Spec) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	writeJSON(&out, mapping(s.message().ProtoReflect()))
	return out.Bytes(), nil
}

func writeJSON(out *bytes.Buffer, node *yaml.Node) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!str":
		quoted, _ := json.Marshal(node.Value) // a string has no error
		out.Write(quoted)
		return
	case node.Kind == yaml.ScalarNode:
		out.WriteString(node.Value)
		return
	}
	brackets, separators := "[]", ","
	if node.Kind == yaml.MappingNode {
		brackets, separators = "{}", ":,"
	}
	out.WriteByte(brackets[0])
	for i, child := range node.Content {
		if i > 0 {
			out.WriteByte(separators[(i+1)%len(separators)])
		}
		writeJSON(out, child)
	}
	out.WriteByte(brackets[1])
}

// mapping returns the node of a message.
func mapping(m protoreflect.Message) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); m.Has(fd) || fd.IsList() && exclusive(fd) == nil {
			node.Content = append(node.Content, plainText(string(fd.Name())), valueNode(fd, m.Get(fd)))
		}
	}
	if small(node) {
		node.Style = yaml.FlowStyle
	}
	return node
}

func valueNode(fd protoreflect.FieldDescriptor, v protoreflect.Value) *yaml.Node {
	if !fd.IsList() {
		return single(fd, v)
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.List().Len() {
		node.Content = append(node.Content, single(fd, v.List().Get(i)))
	}
	if !isMessage(fd) {
		node.Style = yaml.FlowStyle
	}
	return node
}

func single(fd protoreflect.FieldDescriptor, v protoreflect.Value) *yaml.Node {
	switch {
	case isMessage(fd):
		return mapping(v.Message())
	case fd.Message() != nil:
		return plainText(durationText(v.Message().Interface().(*durationpb.Duration)))
	case fd.Kind() == protoreflect.EnumKind:
		return plainText(enumName(fd.Enum().Values().ByNumber(v.Enum())))
	case fd.Kind() == protoreflect.StringKind:
		return plainText(v.String())
	case fd.Kind() == protoreflect.DoubleKind:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(v.Float(), 'g', -1, 64)}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
}

func plainText(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// durationText is the shortest spelling: 10m, not 10m0s.
func durationText(d *durationpb.Duration) string {
	s := d.AsDuration().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// small tells whether a mapping reads well on one line.
func small(node *yaml.Node) bool {
	leaves, depth := size(node)
	return leaves <= 5 && depth <= 2
}

// size counts scalars that are no keys, and levels of mappings and lists.
func size(node *yaml.Node) (leaves, depth int) {
	if node.Kind == yaml.ScalarNode {
		return 1, 0
	}
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		l, d := size(child)
		leaves, depth = leaves+l, max(depth, d)
	}
	return leaves, depth + 1
}
