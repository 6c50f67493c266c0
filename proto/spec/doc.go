// Package spec turns the YAML file that describes a run into a checked value, and back.
//
// Rules. The message fedrelu.v1.Spec is the schema: its fields are the keys, its annotations the bounds. Parse takes
// everything or nothing: unknown and repeated keys, anchors, a second document, other types, numbers that are not finite
// or out of range, and sections that contradict each other are refused, all at once, each with its place in the file, the
// value and what is allowed. What is absent gets its default; zero and absent differ.
//
// A *Spec has passed these checks and is complete, also one from FromProto, which trusts its bytes no more than Parse
// its file. Code that builds or changes one by hand calls Check. Equal specs have equal bytes in Proto and YAML, and
// both read back to the same spec. Nothing is opened here: paths stay as they were given.
//
// The generated types stay inside. Parsing goes through four steps, one file each: document.go (text to nodes), read.go
// with scalar.go and override.go (nodes to the message), defaults.go, and check.go with fit.go and fitmodel.go (annotations,
// and sections against each other); fromproto.go and toproto.go convert. dataproto.go, synthetic.go, modelproto.go,
// layers.go and training.go hold defaults and conversions of the sections that describe the data, the network and its training.
package spec
