package shard

import (
	"errors"
	"fmt"
	"slices"
)

// Files are the two files of a data set. One that is not needed may be the zero File with a Name.
type Files struct {
	Train, Test File
	Groups      string // the column or array of the training file with the groups of Natural; empty: none
}

// CSV says how the examples lie in a CSV file.
type CSV struct {
	Label      string // the name of the label's column, or its number from 0
	Regression bool   // the label is a number to be predicted, and no class
	NoHeader   bool   // the first row is an example already; columns are called by their numbers
	Numbers    bool   // class labels that are words are refused: another file would number them otherwise
}

// LoadCSV loads a training and a test set from CSV files: a row for each example, all columns but the label's (and the
// groups') features in the order of the training file. Values must be decimal and finite in float32, to which they are
// rounded; they are not scaled. Both files have the same columns in the same order; the column of groups may be missing in
// the test file.
//
// Class labels are whole numbers from 0 to MaxClasses-1 if the first training label is one, and Classes is the largest
// training label plus one. Otherwise they are words, numbered in the order of their bytes, and a test label has to occur in
// the training set. So the labels of the training file are read wherever labels are needed.
//
// Limits: commas between fields, at most MaxColumns columns, MaxFeatureBytes of features, no missing values.
func LoadCSV(files Files, format CSV, need Need) (Data, error) {
	var d Data
	var train, test *csvSet
	var err error
	if need.Has(Training) || need.Has(TestY) && !format.Regression {
		if train, err = readCSVSet(files.Train, format, csvWant{need.Has(TrainX), need.Has(TrainY | TestY), files.Groups, true}); err != nil {
			return Data{}, fmt.Errorf("loading the training set: %w", err)
		}
	}
	if need.Has(Testing) {
		if test, err = readCSVSet(files.Test, format, csvWant{need.Has(TestX), need.Has(TestY), files.Groups, false}); err != nil {
			return Data{}, fmt.Errorf("loading the test set: %w", err)
		}
		d.Test = &test.set
	}
	if need.Has(Training) {
		d.Train = &train.set
	}
	if err := errors.Join(sameColumns(train, test), numberClasses(train, test, format.Numbers)); err != nil {
		return Data{}, err
	}
	return d, d.check()
}

// csvWant says what is wanted of a file.
type csvWant struct {
	x, y     bool
	groups   string // name of a column, or none
	training bool
}

// csvSet is a set in the making.
type csvSet struct {
	set      Set
	table    *csvTable
	label    int
	groups   int // -1: none
	features []int
	classes  words
	members  words
}

func readCSVSet(f File, format CSV, want csvWant) (*csvSet, error) {
	t, err := newCSVTable(f, format.NoHeader)
	if err != nil {
		return nil, err
	}
	s := &csvSet{table: t, groups: -1}
	if s.label, err = t.find(format.Label); err != nil {
		return nil, err
	}
	if want.groups != "" {
		if s.groups, err = t.find(want.groups); err != nil && want.training {
			return nil, err
		} else if err != nil {
			s.groups = -1
		}
	}
	for i := range t.header {
		if i != s.label && i != s.groups {
			s.features = append(s.features, i)
		}
	}
	if len(s.features) == 0 {
		return nil, fmt.Errorf("%s:1: %w: no columns of features beside %q", f.Name, ErrData, t.header)
	}
	if err := s.read(format, want); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *csvSet) read(format CSV, want csvWant) error {
	for {
		row, err := s.table.next()
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		if s.set.N++; s.set.N > MaxExamples || int64(s.set.N)*int64(len(s.features))*4 > MaxFeatureBytes {
			return fmt.Errorf("%s:%d: %w: more than %d examples or %d bytes of features", s.table.name, s.table.line(), ErrData, MaxExamples, int64(MaxFeatureBytes))
		}
		if err := s.row(row, format, want); err != nil {
			return err
		}
	}
	if s.set.N == 0 {
		return fmt.Errorf("%s: %w: no examples", s.table.name, ErrData)
	}
	if want.x {
		s.set.Shape = []int{len(s.features)}
	}
	if want.training && want.groups != "" {
		s.set.Groups = s.members.ranks()
	}
	return nil
}

func (s *csvSet) row(row []string, format CSV, want csvWant) error {
	if want.x {
		for _, i := range s.features {
			v, err := s.table.number(row, i)
			if err != nil {
				return err
			}
			s.set.Values = append(s.set.Values, v)
		}
	}
	if want.training && s.groups >= 0 {
		if err := s.members.add(row[s.groups], s.table.line(), MaxExamples); err != nil {
			return err
		}
	}
	switch {
	case !want.y:
		return nil
	case format.Regression:
		v, err := s.table.number(row, s.label)
		s.set.Targets, s.set.Outputs = append(s.set.Targets, v), 1
		return err
	case row[s.label] == "":
		return s.table.refuse(s.label, `"", want a class label`)
	}
	if err := s.classes.add(row[s.label], s.table.line(), MaxClasses); err != nil {
		return s.table.refuse(s.label, "%v; numbers to be predicted are regression: true", err)
	}
	return nil
}

// sameColumns compares what the two files call their features.
func sameColumns(train, test *csvSet) error {
	if train == nil || test == nil {
		return nil
	}
	a, b := train.names(), test.names()
	if slices.Equal(a, b) {
		return nil
	}
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	name := func(names []string) string {
		if i < len(names) {
			return fmt.Sprintf("%q", names[i])
		}
		return "nothing"
	}
	return fmt.Errorf("%s:1: %w: %d columns of features against %d in %s; number %d is %s there and %s here",
		test.table.name, ErrData, len(b), len(a), train.table.name, i, name(a), name(b))
}

func (s *csvSet) names() []string {
	var names []string
	for _, i := range s.features {
		names = append(names, s.table.header[i])
	}
	return names
}
