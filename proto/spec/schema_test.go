package spec

import (
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// TestSchema holds spec.proto to its own rules: scalars have presence, numbers have bounds, so that nothing that is not
// finite passes, and lists and texts have a largest size.
func TestSchema(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	eachField((&pb.Spec{}).ProtoReflect().Descriptor(), seen, func(fd protoreflect.FieldDescriptor) {
		rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
		if fd.IsList() {
			if !rules.GetRepeated().HasMaxItems() {
				t.Errorf("%s: a list without max_items", fd.FullName())
			}
			rules = rules.GetRepeated().GetItems()
		} else if !fd.HasPresence() {
			t.Errorf("%s: no presence", fd.FullName())
		}
		if !bounded(fd, rules) {
			t.Errorf("%s: %v without bounds", fd.FullName(), fd.Kind())
		}
	})
}

func bounded(fd protoreflect.FieldDescriptor, rules *validate.FieldRules) bool {
	switch fd.Kind() {
	case protoreflect.Int32Kind:
		r := rules.GetInt32()
		return r.HasGreaterThan() && r.HasLte()
	case protoreflect.DoubleKind:
		r := rules.GetDouble()
		return r.GetFinite() && r.HasGreaterThan() && r.HasLessThan()
	case protoreflect.StringKind:
		return rules.GetString().HasMaxLen()
	case protoreflect.EnumKind:
		return rules.GetEnum().GetDefinedOnly() && len(rules.GetEnum().GetNotIn()) == 1
	case protoreflect.MessageKind:
		return isMessage(fd) || rules.GetDuration().HasGreaterThan() && rules.GetDuration().HasLessThan()
	case protoreflect.BoolKind, protoreflect.Uint64Kind: // every value has a meaning
		return true
	}
	return false // parseScalar does not know it
}

// eachField visits the fields of all mappings below md that it has not seen.
func eachField(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool, visit func(protoreflect.FieldDescriptor)) {
	if seen[md.FullName()] {
		return
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		visit(fd)
		if isMessage(fd) {
			eachField(fd.Message(), seen, visit)
		}
	}
}

// TestDefaults: whichever keys are chosen, a mapping then lacks only what the file has to say and what means never or all.
func TestDefaults(t *testing.T) {
	optional := map[protoreflect.FullName]bool{"fedrelu.v1.Stop.accuracy": true, "fedrelu.v1.Shards.limit": true}
	for k := range 140 { // so that every kind of layer has its turn
		var s pb.Spec
		build(s.ProtoReflect(), k)
		fillDefaults(&s)
		eachMessage(s.ProtoReflect(), func(m protoreflect.Message) {
			for i := range m.Descriptor().Fields().Len() {
				fd := m.Descriptor().Fields().Get(i)
				rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
				if !m.Has(fd) && !fd.IsList() && exclusive(fd) == nil && !rules.GetRequired() && !optional[fd.FullName()] {
					t.Errorf("choice %d: %s has no default", k, fd.FullName())
				}
			}
		})
	}
	// The same for the choices themselves: a spec that says nothing but what it must.
	s := minimal()
	fillDefaults(s)
	eachMessage(s.ProtoReflect(), func(m protoreflect.Message) {
		for i := range m.Descriptor().Oneofs().Len() {
			if od := m.Descriptor().Oneofs().Get(i); !od.IsSynthetic() && m.WhichOneof(od) == nil {
				t.Errorf("%s has no default", od.FullName())
			}
		}
	})
}

// build makes every mapping below m, with the k-th key where one has to be chosen, and leaves scalars out.
func build(m protoreflect.Message, k int) {
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		group := exclusive(fd)
		switch {
		case group != nil && group[k%len(group)] != string(fd.Name()):
		case isMessage(fd) && fd.IsList():
			item := m.Mutable(fd).List().AppendMutable().Message()
			build(item, k+1) // another one, for layers inside layers
		case isMessage(fd):
			build(m.Mutable(fd).Message(), k)
		case group != nil:
			m.Set(fd, fd.Default())
		}
	}
}

// eachMessage visits m and the mappings below it.
func eachMessage(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case !isMessage(fd):
		case fd.IsList():
			for i := range v.List().Len() {
				eachMessage(v.List().Get(i).Message(), visit)
			}
		default:
			eachMessage(v.Message(), visit)
		}
		return true
	})
}
