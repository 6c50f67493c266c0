package localsgd

import (
	"strings"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// A shard's state is one block of float32 that its tasks take over from each other: its control variate, the state of its
// optimizer, its personal tensors, as far as the job has them, in this order.

// stepsBase is how many steps the first of the two numbers that count AdamW's steps tells apart: a float32 holds whole
// numbers up to 2^24.
const stepsBase = 1 << 24

// shardState says where in a shard's state its parts are; -1 is nowhere.
type shardState struct {
	layout           *tensor.Layout
	controls         int
	velocity         int
	mean, square     int
	steps            int // two numbers
	personal         int
	personalInParams []tensor.View
}

// ShardState returns the layout of a shard's state, of no elements where the job keeps none.
func (j *Job) ShardState() *tensor.Layout {
	s, err := j.shardState()
	if err != nil {
		panic("localsgd: a job that was not checked: " + err.Error())
	}
	return s.layout
}

func (j *Job) shardState() (*shardState, error) {
	model := j.Net.Layout()
	s := &shardState{personalInParams: j.personal()}
	var descs []tensor.Desc
	size := 0
	add := func(on bool, name string, views ...tensor.View) int {
		if !on {
			return -1
		}
		at := size
		for _, v := range views {
			d := v.Desc
			d.Name = name + "/" + d.Name
			descs = append(descs, d)
			size += v.Size
		}
		return at
	}
	whole := views(model)
	adam := j.Local.KeepState && j.Local.AdamW != nil
	s.controls = add(j.Local.Controls != 0, controlsName, whole...)
	s.velocity = add(j.Local.keepsMomentum(), "momentum", whole...)
	s.mean = add(adam, "mean", whole...)
	s.square = add(adam, "square", whole...)
	s.steps = add(adam, "adamw", tensor.View{Desc: tensor.Desc{Name: "steps", Shape: []int{2}}, Size: 2})
	s.personal = add(len(s.personalInParams) > 0, "personal", s.personalInParams...)
	var err error
	s.layout, err = tensor.NewLayout(descs)
	return s, err
}

func views(l *tensor.Layout) []tensor.View {
	all := make([]tensor.View, l.Len())
	for i := range all {
		all[i] = l.At(i)
	}
	return all
}

// keepsMomentum tells whether velocities live on.
func (l *Local) keepsMomentum() bool { return l.KeepState && l.AdamW == nil && l.SGD.Momentum != 0 }

// personal returns the tensors that every shard keeps to itself.
func (j *Job) personal() (personal []tensor.View) {
	model := j.Net.Layout()
	for _, v := range views(model) {
		if matches(j.Local.Personal, v.Name) || j.Local.FedBN && ofBatchNorm(model, v.Name) {
			personal = append(personal, v)
		}
	}
	return personal
}

// ofBatchNorm tells whether a tensor belongs to a layer with running statistics.
func ofBatchNorm(model *tensor.Layout, name string) bool {
	statistics, found := model.Lookup(name[:strings.LastIndexByte(name, '.')+1] + "running_mean")
	return found && statistics.Buffer
}

// still returns the tensors that the rule must leave as they are: personal ones, and if wanted frozen ones.
func (j *Job) still(frozen bool) []tensor.View {
	kept := j.personal()
	for _, v := range views(j.Net.Layout()) {
		if frozen && matches(j.Local.Freeze, v.Name) {
			kept = append(kept, v)
		}
	}
	return kept
}

// eachPersonal visits each personal tensor's place in the parameters and in the state.
func (s *shardState) eachPersonal(visit func(params tensor.View, state int)) {
	at := s.personal
	for _, v := range s.personalInParams {
		visit(v, at)
		at += v.Size
	}
}
