package spec

import (
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fedrelu/fedrelu/localsgd"
	pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"
)

// Rules need no code here: a key of Server is the rule of that name in localsgd.Rules, and its keys are the rule's
// exported fields, prox_mu for ProxMu.

// ruleOf returns the chosen rule's message and the rule itself with its defaults; nil without a choice.
func ruleOf(server *pb.Server) (protoreflect.Message, localsgd.Rule) {
	m := server.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("rule"))
	if fd == nil {
		return nil, nil
	}
	return m.Mutable(fd).Message(), defaultRule(string(fd.Name()))
}

func defaultRule(name string) localsgd.Rule {
	for _, rule := range localsgd.Rules() {
		if rule.Name() == name {
			return rule
		}
	}
	panic("spec: no rule " + name + " in localsgd.Rules")
}

// fillRule gives the absent keys of the chosen rule the rule's defaults.
func fillRule(server *pb.Server) {
	m, rule := ruleOf(server)
	if m == nil {
		return
	}
	eachParameter(m, reflect.ValueOf(rule), func(fd protoreflect.FieldDescriptor, value reflect.Value) {
		if !m.Has(fd) {
			m.Set(fd, scalarTo(value))
		}
	})
}

// ruleFrom converts the section.
func ruleFrom(server *pb.Server) localsgd.Rule {
	m, rule := ruleOf(server)
	made := reflect.New(reflect.TypeOf(rule)).Elem()
	eachParameter(m, made, func(fd protoreflect.FieldDescriptor, value reflect.Value) {
		value.Set(reflect.ValueOf(m.Get(fd).Interface()).Convert(value.Type()))
	})
	return made.Interface().(localsgd.Rule)
}

// ruleTo is the inverse of ruleFrom. A rule that the schema does not have becomes an absent choice.
func ruleTo(rule localsgd.Rule) *pb.Server {
	server := &pb.Server{}
	if rule == nil {
		return server
	}
	m := server.ProtoReflect()
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(rule.Name()))
	if fd == nil || reflect.TypeOf(defaultRule(rule.Name())) != reflect.TypeOf(rule) {
		return server
	}
	message := m.Mutable(fd).Message()
	eachParameter(message, reflect.ValueOf(rule), func(fd protoreflect.FieldDescriptor, value reflect.Value) {
		message.Set(fd, scalarTo(value))
	})
	return server
}

// eachParameter visits the keys of a rule's message with the fields of the rule that they stand for.
func eachParameter(m protoreflect.Message, rule reflect.Value, visit func(protoreflect.FieldDescriptor, reflect.Value)) {
	fields := m.Descriptor().Fields()
	if fields.Len() != rule.NumField() {
		panic(fmt.Sprintf("spec: %v has %d parameters, %s has %d keys", rule.Type(), rule.NumField(), m.Descriptor().FullName(), fields.Len()))
	}
	for i := range fields.Len() {
		fd := fields.Get(i)
		name := strings.ReplaceAll(string(fd.Name()), "_", "")
		value := rule.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
		if !value.IsValid() {
			panic(fmt.Sprintf("spec: %v has no parameter %s", rule.Type(), fd.Name()))
		}
		visit(fd, value)
	}
}

// scalarTo converts a rule's parameter to the schema's types.
func scalarTo(value reflect.Value) protoreflect.Value {
	switch value.Kind() {
	case reflect.Float64:
		return protoreflect.ValueOfFloat64(value.Float())
	case reflect.Bool:
		return protoreflect.ValueOfBool(value.Bool())
	case reflect.Int:
		return protoreflect.ValueOfInt32(*number32(int(value.Int())))
	}
	panic(fmt.Sprintf("spec: a rule's parameter is a %v, want float64, int or bool", value.Type()))
}

// fitRule notes what of the participants and of the local work does not go with the rule.
func (r *reader) fitRule(s *pb.Spec) {
	rule := ruleFrom(s.Server)
	if combiner, ok := rule.(localsgd.Combiner); ok {
		r.fitCombiner(s, combiner)
	}
	if asynchronous, ok := rule.(localsgd.Asynchronous); ok {
		r.fitAsynchronous(s, asynchronous)
		return
	}
	local, ok := rule.(localsgd.LocalRule)
	if !ok || len(s.Local.Optimizer.GetAdamw().GetBetas()) == 1 {
		return // what is wrong with the betas was said
	}
	if _, err := local.Local(localFrom(s)); err != nil {
		r.object(err.Error(), "server."+local.Name(), "local")
	}
}

// fitCombiner notes rounds that may close with too few updates for the rule. Under a deadline that is seen when they do.
func (r *reader) fitCombiner(s *pb.Spec, rule localsgd.Combiner) {
	least, path := rule.Least(), "server."+rule.Name()
	if n := participation(s.Participation).Size(int(s.Shards.GetCount())); n < least {
		r.object(fmt.Sprintf("needs at least %d updates in a round, %d shards take part", least, n), path, "participation", "shards.count")
	} else if quorum := int(s.Close.GetQuorum().GetCount()); quorum > 0 && quorum < least {
		r.object(fmt.Sprintf("needs at least %d updates in a round, close.quorum.count allows %d", least, quorum), path, "close.quorum.count")
	}
}
