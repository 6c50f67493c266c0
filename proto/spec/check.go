package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// check notes what is wrong with a message in which every default is filled in.
func (r *reader) check(s *pb.Spec) {
	err := protovalidate.Validate(s)
	var invalid *protovalidate.ValidationError
	switch {
	case errors.As(err, &invalid):
		for _, v := range invalid.Violations {
			path := violationPath(v)
			r.object(violationMessage(v, s.ProtoReflect(), path)+r.got(path, v), path)
		}
	case err != nil:
		panic("spec: the schema's annotations are wrong: " + err.Error())
	}
	r.fit(s)
}

// object notes a problem of the values at paths, at the place of the first one. It says nothing where reading a value has
// failed already: the message then holds something else.
func (r *reader) object(message string, paths ...string) {
	if slices.ContainsFunc(paths, r.spoiled) {
		return
	}
	at := r.nearest(paths[0])
	node := at.key
	if _, exact := r.places[paths[0]]; exact && at.value != nil {
		node = at.value
	}
	r.problems = append(r.problems, at.problem(node, paths[0], message))
}

// nearest returns the place of path, or of the value around it.
func (r *reader) nearest(path string) place {
	for {
		if at, ok := r.places[path]; ok || path == "" {
			return at
		}
		path = parent(path)
	}
}

// got repeats the offending value as it was written.
func (r *reader) got(path string, v *protovalidate.Violation) string {
	if at, ok := r.places[path]; ok && at.value != nil {
		return ", got " + describe(at.value)
	}
	if !v.FieldValue.IsValid() {
		return ""
	}
	switch x := v.FieldValue.Interface().(type) {
	case protoreflect.List:
		return fmt.Sprintf(", got a list of %d", x.Len())
	case protoreflect.Message:
		if d, ok := x.Interface().(*durationpb.Duration); ok {
			return ", got " + durationText(d)
		}
		return ""
	default:
		return ", got " + clip(fmt.Sprint(x))
	}
}

// violationPath leaves out the names of oneofs, which are no keys.
func violationPath(v *protovalidate.Violation) string {
	elements := v.Proto.GetField().GetElements()
	if n := len(elements); n > 0 && elements[n-1].GetFieldNumber() == 0 {
		elements = elements[:n-1]
	}
	return protovalidate.FieldPathString(validate.FieldPath_builder{Elements: elements}.Build())
}

// violationMessage says what is allowed, in the words of protovalidate where they are good.
func violationMessage(v *protovalidate.Violation, root protoreflect.Message, path string) string {
	rule := v.Proto.GetRuleId()
	switch rule {
	case "required", "message.oneof":
		if names := choices(root, path); names != nil {
			return fmt.Sprintf("exactly one of %s is required", names)
		}
		return "is required"
	case "string.pattern":
		return "must consist of letters, digits, dots, underscores and dashes, and begin with a letter or digit"
	}
	return fmt.Sprintf("%s (%s)", v.Proto.GetMessage(), rule)
}

// choices returns the keys of which the mapping at path needs exactly one, or nil.
func choices(root protoreflect.Message, path string) []string {
	md := root.Descriptor()
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, ".")
		name, _, _ = strings.Cut(name, "[")
		if md = md.Fields().ByName(protoreflect.Name(name)).Message(); md == nil {
			return nil
		}
	}
	if all := groups(md); len(all) > 0 {
		return all[0]
	}
	return nil
}
