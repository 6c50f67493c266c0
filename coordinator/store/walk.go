package store

import (
	"bytes"
	"fmt"
)

// maxDepth bounds pages below pages and buckets in buckets, together.
const maxDepth = 64

// walker goes through all pages of an image and checks that they make sound trees: every page is in one place or free,
// everything lies within its page, keys ascend. A part that is not sound is left out with a problem, the rest is visited.
type walker struct {
	img     *image
	seen    []uint64 // a bit for each page: part of a tree, or the freelist
	problem func(error)
	visit   visitor // may be nil
}

// visitor is told what a walker finds, bucket by bucket in the order of keys. Keys are its own; a value is read on demand.
type visitor interface {
	enter(name []byte) error
	leave() error
	pair(key []byte, value func() ([]byte, bool)) error
}

// check walks through the whole image and returns what is not sound. Errors of the visitor end it.
func (img *image) check(visit visitor) (problems []error, err error) {
	w := &walker{img: img, seen: make([]uint64, img.meta.pages/64+1), visit: visit}
	w.problem = func(err error) { problems = append(problems, fmt.Errorf("%w: %w", ErrDamaged, err)) }
	if img.other != nil {
		w.problem(fmt.Errorf("%w: the last transaction may be lost", img.other))
	}
	err = w.tree(span{page: img.meta.root}, maxDepth)
	w.freelist()
	return problems, err
}

// take marks the pages first .. first+n-1 as used, and tells whether they were not.
func (w *walker) take(first, n uint64) bool {
	for id := first; id < first+n; id++ {
		if w.seen[id/64]&(1<<(id%64)) != 0 {
			return false
		}
		w.seen[id/64] |= 1 << (id % 64)
	}
	return true
}

func (w *walker) freelist() {
	if w.img.meta.freelist != noFreelist {
		p, err := w.img.page(w.img.meta.freelist)
		var ids []uint64
		if err == nil {
			ids, err = p.free()
		}
		if err != nil {
			w.problem(err)
			return
		}
		if !w.take(p.id, uint64(p.length)/w.img.meta.pageSize) {
			w.problem(fmt.Errorf("page %d is the freelist and something else", p.id))
		}
		for _, id := range ids {
			if id < 2 || id >= w.img.meta.pages || !w.take(id, 1) {
				w.problem(fmt.Errorf("page %d is free and in use, free twice, or beyond the last one", id))
			}
		}
	}
	for id := uint64(2); id < w.img.meta.pages; id++ {
		if w.take(id, 1) {
			w.problem(fmt.Errorf("page %d is neither free nor in use", id))
		}
	}
}

// span is a page and the keys that it may hold: from min on, below max; nil: no bound.
type span struct {
	page     uint64
	min, max []byte
}

func (w *walker) tree(s span, depth int) error {
	p, err := w.img.page(s.page)
	switch {
	case err != nil:
		w.problem(err)
		return nil
	case depth == 0:
		w.problem(fmt.Errorf("page %d lies deeper than %d", p.id, maxDepth))
		return nil
	case !w.take(p.id, uint64(p.length)/w.img.meta.pageSize):
		w.problem(fmt.Errorf("page %d is in two places", p.id))
		return nil
	}
	switch p.flags {
	case branchFlag:
		return w.branch(&p, s, depth)
	case leafFlag:
		return w.leaf(&p, s, depth)
	}
	w.problem(fmt.Errorf("page %d is neither branch nor leaf: flags %#x", p.id, p.flags))
	return nil
}

func (w *walker) branch(p *page, s span, depth int) error {
	children := make([]span, 0, p.count)
	for i := range p.count {
		at := int64(pageHeader + i*elementSize)
		e, ok := p.bytes(at, elementSize)
		var key []byte
		if ok {
			key, ok = p.key(at, order.Uint32(e), order.Uint32(e[4:]))
		}
		if !ok || !w.fits(key, s, previous(children)) {
			w.problem(fmt.Errorf("branch page %d: element %d is out of bounds or order", p.id, i))
			continue
		}
		children = append(children, span{page: order.Uint64(e[8:]), min: bytes.Clone(key), max: s.max})
	}
	if p.count == 0 {
		w.problem(fmt.Errorf("branch page %d is empty", p.id))
	}
	for i := range children {
		if i+1 < len(children) {
			children[i].max = children[i+1].min
		}
		if err := w.tree(children[i], depth-1); err != nil {
			return err
		}
	}
	return nil
}

func previous(spans []span) []byte {
	if len(spans) == 0 {
		return nil
	}
	return spans[len(spans)-1].min
}

// fits tells whether a key may stand after another one within a span.
func (w *walker) fits(key []byte, s span, after []byte) bool {
	return len(key) > 0 && (after == nil || bytes.Compare(key, after) > 0) &&
		(s.min == nil || bytes.Compare(key, s.min) >= 0) && (s.max == nil || bytes.Compare(key, s.max) < 0)
}

func (w *walker) leaf(p *page, s span, depth int) error {
	var last []byte
	for i := range p.count {
		at := int64(pageHeader + i*elementSize)
		e, ok := p.bytes(at, elementSize)
		var key []byte
		if ok {
			key, ok = p.key(at, order.Uint32(e[4:]), order.Uint32(e[8:]))
		}
		if !ok || !w.fits(key, s, last) || order.Uint32(e)&^bucketElement != 0 {
			w.problem(fmt.Errorf("leaf page %d: element %d is out of bounds or order", p.id, i))
			continue
		}
		last = bytes.Clone(key)
		v := value{page: p, at: at + int64(order.Uint32(e[4:])) + int64(len(key)), size: int64(order.Uint32(e[12:]))}
		if v.at+v.size > p.length {
			w.problem(fmt.Errorf("leaf page %d: value %d goes beyond it", p.id, i))
			continue
		}
		if err := w.element(last, v, order.Uint32(e) == bucketElement, depth); err != nil {
			return err
		}
	}
	return nil
}

// value is where a value lies.
type value struct {
	page     *page
	at, size int64
}

func (v value) read() ([]byte, bool) { return v.page.bytes(v.at, v.size) }

func (w *walker) element(key []byte, v value, isBucket bool, depth int) error {
	if !isBucket {
		if w.visit == nil {
			return nil
		}
		return w.visit.pair(key, v.read)
	}
	b, ok := v.read()
	if !ok || len(b) < bucketHeader {
		w.problem(fmt.Errorf("page %d: bucket %q has no header", v.page.id, key))
		return nil
	}
	if w.visit != nil {
		if err := w.visit.enter(key); err != nil {
			return err
		}
	}
	var err error
	if root := order.Uint64(b); root != 0 {
		err = w.tree(span{page: root}, depth-1)
	} else {
		err = w.inline(v.page.id, b[bucketHeader:])
	}
	if err == nil && w.visit != nil {
		err = w.visit.leave()
	}
	return err
}

// inline checks a bucket so small that its leaf page is part of its value. It holds no buckets.
func (w *walker) inline(in uint64, b []byte) error {
	if len(b) < pageHeader || order.Uint16(b[8:]) != leafFlag {
		w.problem(fmt.Errorf("page %d: a bucket within it is no leaf", in))
		return nil
	}
	p := page{img: w.img, id: in, flags: leafFlag, count: int(order.Uint16(b[10:])), length: int64(len(b)), head: b}
	for i := range p.count {
		if e, ok := p.bytes(int64(pageHeader+i*elementSize), elementSize); ok && order.Uint32(e) != 0 {
			w.problem(fmt.Errorf("page %d: a bucket within it holds something else than values", in))
			return nil
		}
	}
	return w.leaf(&p, span{}, 0)
}
