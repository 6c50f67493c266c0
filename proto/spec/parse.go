package spec

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Parse reads the spec in data, of which path is the name for messages, with overrides `path=value` in their order over
// it. Its errors are *Errors and wrap ErrInvalid.
func Parse(path string, data []byte, overrides []string) (*Spec, error) {
	t, root, problems := parseDocument(path, data)
	if root == nil {
		return nil, report(problems)
	}
	var m pb.Spec
	r := newReader()
	r.places[""] = place{text: t, key: root, value: root}
	r.message(t, root, m.ProtoReflect(), "")
	for _, setting := range overrides {
		r.override(m.ProtoReflect(), setting)
	}
	return r.finish(&m)
}

// FromProto reads the message fedrelu.v1.Spec, as Proto makes it; absent fields get their defaults. Its errors are
// *Errors and wrap ErrInvalid.
func FromProto(data []byte) (*Spec, error) {
	refuse := func(message string) (*Spec, error) { return nil, report([]Problem{{Message: message}}) }
	if len(data) > maxSize {
		return refuse(fmt.Sprintf("the spec has %d bytes, at most %d are allowed", len(data), maxSize))
	}
	var m pb.Spec
	if err := proto.Unmarshal(data, &m); err != nil {
		return refuse(fmt.Sprintf("the bytes are not a spec: %v", err))
	}
	if where, found := unknownIn(m.ProtoReflect(), ""); found {
		return nil, report([]Problem{{Path: where, Message: "has a key that this version does not know"}})
	}
	r := newReader()
	r.places[""] = place{text: &text{override: true}}
	return r.finish(&m)
}

// Check holds a spec that code has built or changed to the rules for files. Its errors are *Errors and wrap ErrInvalid.
func (s *Spec) Check() error {
	m := s.message()
	if _, err := proto.Marshal(m); err != nil {
		return report([]Problem{{Message: fmt.Sprintf("the schema cannot hold the spec: %v", err)}})
	}
	r := newReader()
	r.places[""] = place{text: &text{override: true}}
	back, err := r.finish(m)
	if err != nil {
		return err
	}
	return s.lost(back)
}

// CheckRemote returns an error for what only a run on one machine may ask for. Its errors are *Errors and wrap ErrInvalid.
func (s *Spec) CheckRemote() error {
	if s.Precision != localsgd.Float64 {
		return nil
	}
	return report([]Problem{{
		Path:    "precision",
		Message: "float64 is for local runs only (fedrelu run): leave it out, or write float32",
	}})
}

// lost names what the schema could not express, so that it came back as something else.
func (s *Spec) lost(back *Spec) error {
	var problems []Problem
	for _, part := range []struct {
		path     string
		was, got any
	}{
		{"model.init", s.Model.Init, back.Model.Init},
		{"local.schedule", reflect.TypeOf(s.Local.Rates), reflect.TypeOf(back.Local.Rates)},
		{"shards.partition", reflect.TypeOf(s.Shards.Partition), reflect.TypeOf(back.Shards.Partition)},
		{"local", s.Local.Schedule, back.Local.Schedule},
		{"server", s.Server, back.Server},
		{"close", s.Close, back.Close},
	} {
		if !reflect.DeepEqual(part.was, part.got) {
			problems = append(problems, Problem{Path: part.path, Message: fmt.Sprintf("the schema has no %+v", part.was)})
		}
	}
	return report(problems)
}

// finish completes what was read and checks it.
func (r *reader) finish(m *pb.Spec) (*Spec, error) {
	fillDefaults(m)
	r.check(m)
	if err := report(r.problems); err != nil {
		return nil, err
	}
	return fromProto(m), nil
}

// unknownIn finds fields that a newer version of the schema may have: to leave them out would change the run's meaning.
func unknownIn(m protoreflect.Message, path string) (where string, found bool) {
	if len(m.GetUnknown()) > 0 {
		return path, true
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := join(path, string(fd.Name()))
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				if where, found = unknownIn(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", at, i)); found {
					break
				}
			}
		default:
			where, found = unknownIn(v.Message(), at)
		}
		return !found
	})
	return where, found
}
