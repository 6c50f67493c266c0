package relu

import (
	"fmt"
	"slices"
)

// Residual is x -> body(x) + shortcut(x), where no Shortcut is x itself. The tensors inside are named `body.<index>...` and
// `shortcut.<index>...`, the body's first.
type Residual struct {
	Body     []Layer
	Shortcut []Layer // nil or empty: the identity
}

func (l Residual) resolve(in []int, p *plan) ([]int, error) {
	outer := p.prefix
	defer func() { p.prefix = outer }()
	p.prefix = outer + "body."
	out, err := p.sequence(l.Body, in)
	if err != nil {
		return nil, err
	}
	p.prefix = outer + "shortcut."
	beside, err := p.sequence(l.Shortcut, in)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(out, beside) {
		return nil, fmt.Errorf("layer %s: residual adds a body of shape %v to a shortcut of shape %v", outer[:len(outer)-1], out, beside)
	}
	return out, nil
}
