package spec

import pb "github.com/fedrelu/fedrelu/proto/fedrelu/v1"

// Study is a check that repeats the tasks of the measured shards of a round, under its key in specs.
type Study string

// The studies, in the order of the schema.
const (
	Heterogeneity Study = "heterogeneity"
	Updates       Study = "updates"
	LocalRanks    Study = "local_ranks"
	Noise         Study = "noise"
	Units         Study = "units"
	Entropy       Study = "entropy"
	Identity      Study = "identity"
	Norms         Study = "norms"
	Averaging     Study = "averaging"
	SawTooth      Study = "saw_tooth"
	Prediction    Study = "prediction"
	Alignment     Study = "alignment"
	Fluctuation   Study = "fluctuation"
)

// Studies says how often each study is made.
type Studies struct {
	every [13]int // in the order of studyTable; 0 = off
}

// studyTable says where each study stands in the schema.
var studyTable = [...]struct {
	Study
	field func(*pb.Checks) **pb.Period
}{
	{Heterogeneity, func(c *pb.Checks) **pb.Period { return &c.Heterogeneity }},
	{Updates, func(c *pb.Checks) **pb.Period { return &c.Updates }},
	{LocalRanks, func(c *pb.Checks) **pb.Period { return &c.LocalRanks }},
	{Noise, func(c *pb.Checks) **pb.Period { return &c.Noise }},
	{Units, func(c *pb.Checks) **pb.Period { return &c.Units }},
	{Entropy, func(c *pb.Checks) **pb.Period { return &c.Entropy }},
	{Identity, func(c *pb.Checks) **pb.Period { return &c.Identity }},
	{Norms, func(c *pb.Checks) **pb.Period { return &c.Norms }},
	{Averaging, func(c *pb.Checks) **pb.Period { return &c.Averaging }},
	{SawTooth, func(c *pb.Checks) **pb.Period { return &c.SawTooth }},
	{Prediction, func(c *pb.Checks) **pb.Period { return &c.Prediction }},
	{Alignment, func(c *pb.Checks) **pb.Period { return &c.Alignment }},
	{Fluctuation, func(c *pb.Checks) **pb.Period { return &c.Fluctuation }},
}

// AllStudies returns every study there is, in the order of the schema.
func AllStudies() []Study {
	all := make([]Study, len(studyTable))
	for i := range studyTable {
		all[i] = studyTable[i].Study
	}
	return all
}

// Set makes a study every so many rounds; 0 is never. A study that there is not changes nothing.
func (s *Studies) Set(study Study, every int) {
	for i := range studyTable {
		if studyTable[i].Study == study {
			s.every[i] = every
		}
	}
}

// Due returns the studies of a round, in the order of the schema. Round 0 has none: nothing is trained in it.
func (s Studies) Due(round int) []Study {
	var due []Study
	for i, every := range s.every {
		if every > 0 && round > 0 && round%every == 0 {
			due = append(due, studyTable[i].Study)
		}
	}
	return due
}

func studiesFrom(c *pb.Checks) (s Studies) {
	for i := range studyTable {
		s.every[i] = int((*studyTable[i].field(c)).GetEvery())
	}
	return s
}

func studiesTo(c *pb.Checks, s Studies) {
	for i := range studyTable {
		*studyTable[i].field(c) = &pb.Period{Every: number32(s.every[i])}
	}
}

// KeepsSpectra tells whether all singular values that are measured in a round are stored: those of the start model always are, since
// what is predicted for later rounds is derived from them (M13).
func (r Rank) KeepsSpectra(round int) bool {
	return round == 0 || r.Spectra > 0 && round%r.Spectra == 0
}
