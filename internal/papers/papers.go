// Package papers is all that `fedrelu reproduce` can measure: the papers of the packages below internal/claims, and the one
// order in which their claims are measured, printed and numbered.
//
// Rules. A claim has one id, and its spec is the file of that name in examples/claims; claims that cannot be tested here have
// none. Each paper has a laboratory of its own, so what its claims share is gone when it is done. A claim that cannot be
// measured stops nothing: its error stands in its result.
package papers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/claims/averagingrank"
	"github.com/fedrelu/fedrelu/internal/claims/deeprelu"
	"github.com/fedrelu/fedrelu/internal/claims/entropy"
	"github.com/fedrelu/fedrelu/internal/claims/fedavg"
	"github.com/fedrelu/fedrelu/internal/claims/localsteps"
	"github.com/fedrelu/fedrelu/internal/claims/lowrank"
	"github.com/fedrelu/fedrelu/internal/claims/sgdgd"
	"github.com/fedrelu/fedrelu/internal/claims/splines"
)

// All returns the papers with all their claims.
func All() []claims.Paper {
	return []claims.Paper{
		fedavg.Paper(),
		lowrank.Paper(),
		deeprelu.Paper(),
		sgdgd.Paper(),
		entropy.Paper(),
		splines.Paper(),
		localsteps.Paper(),
		averagingrank.Paper(),
	}
}

// Names returns the names of papers as on the command line.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// ErrUnknown is the error of a name that is neither a paper nor a claim.
var ErrUnknown = errors.New("no such paper or claim")

// Select returns the papers, or those claims of them, that the names say: "all", a paper, or the id of a claim in capital or
// small letters. No name means all. Papers and claims keep their order, and are there once however often they are named.
func Select(names []string) ([]claims.Paper, error) {
	all := All()
	chosen := map[string]bool{}
	for _, name := range names {
		ids := named(all, name)
		if ids == nil {
			return nil, fmt.Errorf("%w: %q, want all, %s, or the id of a claim such as %s", ErrUnknown, name, strings.Join(Names(), ", "), all[0].Claims[0].ID)
		}
		for _, id := range ids {
			chosen[id] = true
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	var out []claims.Paper
	for _, p := range all {
		p.Claims = slices.DeleteFunc(slices.Clone(p.Claims), func(c claims.Claim) bool { return !chosen[c.ID] })
		if len(p.Claims) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// named returns the ids of the claims that a name stands for, nil if it stands for nothing.
func named(all []claims.Paper, name string) []string {
	var ids []string
	for _, p := range all {
		for _, c := range p.Claims {
			if name == "all" || name == p.Name || strings.EqualFold(name, c.ID) {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids
}
