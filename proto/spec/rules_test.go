package spec

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// TestRules: every key of server is a rule of localsgd and the other way round, with the same parameters and the rule's
// defaults.
func TestRules(t *testing.T) {
	fields := (&pb.Server{}).ProtoReflect().Descriptor().Fields()
	rules := localsgd.Rules()
	if fields.Len() != len(rules) {
		t.Errorf("%d keys of server, %d rules", fields.Len(), len(rules))
	}
	for _, rule := range rules {
		fd := fields.ByName(protoreflect.Name(rule.Name()))
		if fd == nil {
			t.Errorf("server has no key %s", rule.Name())
			continue
		}
		server := &pb.Server{}
		server.ProtoReflect().Mutable(fd)
		fillRule(server)
		if got := ruleFrom(server); !reflect.DeepEqual(got, rule) {
			t.Errorf("an empty %s is %+v, want %+v", rule.Name(), got, rule)
		}
		if back := ruleFrom(ruleTo(rule)); !reflect.DeepEqual(back, rule) {
			t.Errorf("%+v comes back as %+v", rule, back)
		}
	}
}
