// Package claimspecs has the specs of the claims that `fedrelu reproduce` measures: ID.yaml for each.
//
// Rules. A spec is the base setting of its claim, and a spec like any other: `fedrelu run` and `fedrelu check` take it too.
// What the claim varies is in its analysis, which says so in the set-up that it prints.
package claimspecs

import "embed"

// FS has the specs at its root.
//
//go:embed *.yaml
var FS embed.FS
