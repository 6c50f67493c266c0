package spec

import (
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// duration is the one message of the schema that is written as a scalar.
const duration = protoreflect.FullName("google.protobuf.Duration")

// isMessage tells whether a field's values are mappings.
func isMessage(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() != duration
}

// fieldNames are the keys of a mapping.
func fieldNames(md protoreflect.MessageDescriptor) []string {
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = string(md.Fields().Get(i).Name())
	}
	return names
}

// enumNames are the values of an enum as the file spells them: LOSS_MSE is mse. The unspecified value has no spelling.
func enumNames(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 {
			names = append(names, enumName(v))
		}
	}
	return names
}

func enumName(v protoreflect.EnumValueDescriptor) string {
	var prefix strings.Builder
	for i, r := range string(v.Parent().Name()) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			prefix.WriteByte('_')
		}
		prefix.WriteRune(r)
	}
	name := strings.ToLower(string(v.Name()))
	return strings.TrimPrefix(name, strings.ToLower(prefix.String())+"_")
}

// bounds returns the least and the largest value of an int32 field; every one in the schema has both.
func bounds(fd protoreflect.FieldDescriptor) (low, high int32) {
	rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
	if fd.IsList() {
		rules = rules.GetRepeated().GetItems()
	}
	low = rules.GetInt32().GetGte()
	if rules.GetInt32().HasGt() {
		low = rules.GetInt32().GetGt() + 1
	}
	return low, rules.GetInt32().GetLte()
}

// exclusive returns the keys of which only one may be set and of which fd is one: a oneof, or the annotation that stands
// for one where a member is a list. It returns nil for other fields.
func exclusive(fd protoreflect.FieldDescriptor) []string {
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		return oneofNames(od)
	}
	for _, group := range groups(fd.ContainingMessage()) {
		if slices.Contains(group, string(fd.Name())) {
			return group
		}
	}
	return nil
}

// groups returns the sets of keys of a message of which only one may be set.
func groups(md protoreflect.MessageDescriptor) [][]string {
	var all [][]string
	for i := range md.Oneofs().Len() {
		if od := md.Oneofs().Get(i); !od.IsSynthetic() {
			all = append(all, oneofNames(od))
		}
	}
	rules, _ := proto.GetExtension(md.Options(), validate.E_Message).(*validate.MessageRules)
	for _, rule := range rules.GetOneof() {
		all = append(all, rule.GetFields())
	}
	return all
}

func oneofNames(od protoreflect.OneofDescriptor) []string {
	names := make([]string, od.Fields().Len())
	for i := range names {
		names[i] = string(od.Fields().Get(i).Name())
	}
	return names
}

// didYouMean returns a hint at the name that is nearest to what was written, or nothing.
func didYouMean(written string, names []string) string {
	if len(written) > 40 {
		return ""
	}
	best, distance := "", 1+len(written)/3
	for _, name := range names {
		if d := edits(written, name); d <= distance && (best == "" || d < distance) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// edits is the number of insertions, deletions, replacements and swaps of neighbours that turn a into b.
func edits(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(next[j]+1, row[j+1]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
