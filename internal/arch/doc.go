// Package arch holds the rules of this repository as tests, so that a change that goes against one fails with the reason.
//
// Rules of the rules:
//
//   - A rule is a function from parsed files to findings; a finding names file and line, and says why the rule is there.
//   - Every rule is shown to fail: its self-test feeds it a small bad file and a small good one (see the twins in each
//     test). A rule that no file could break is no rule.
//   - All Go files count, whatever their build tags, and generated code only where a rule says so.
//   - An exception is a line in the rule's own table with its reason, and an exception that is not needed any more fails.
//   - A new package gets a layer (layers_test.go), a new dependency a room (rooms_test.go), both a line in ARCHITECTURE.md.
//
// There is no other code here: golang.org/x/tools stays a dependency of tests.
package arch
