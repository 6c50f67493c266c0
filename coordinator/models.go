package coordinator

import (
	"sync"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// models shares blocks of parameters between the owner, fetches and measurements. A block is written by the owner alone,
// before it is published under the hash of the part of it that travels; from then on it is only read, and it is used again
// once nobody holds it.
type models struct {
	mu        sync.Mutex
	published map[tensor.Hash]*model
	free      [][]float32
}

// model is a published block of what is stored: see localsgd.Algorithm.
type model struct {
	hash    tensor.Hash // of travels
	block   []float32
	travels []float32 // the beginning of block
	refs    int
	owner   *models
}

func newModels() *models { return &models{published: make(map[tensor.Hash]*model)} }

// block returns a block of size values to be written, a used one if there is one.
func (m *models) block(size int) []float32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.free) - 1; i >= 0; i-- {
		b := m.free[i]
		m.free = m.free[:i]
		if len(b) == size {
			return b
		}
	}
	return make([]float32, size)
}

// giveBack makes a block available again that was not published.
func (m *models) giveBack(block []float32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = append(m.free, block)
}

// publish gives the first numbers of a block, which travel, to whoever asks for their hash, and returns the whole block held
// once for the caller.
func (m *models) publish(hash tensor.Hash, block []float32, travel int) *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.published[hash]; old != nil && len(block) == travel {
		// A step that changed nothing: the same bits are there already.
		old.refs++
		m.free = append(m.free, block)
		return old
	}
	p := &model{hash: hash, block: block, travels: block[:travel], refs: 1, owner: m}
	m.published[hash] = p
	return p
}

// hold returns the published model with this hash, held once for the caller, or nil.
func (m *models) hold(hash tensor.Hash) *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.published[hash]
	if p != nil {
		p.refs++
	}
	return p
}

// release gives up one hold.
func (p *model) release() {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	if p.refs--; p.refs == 0 {
		if p.owner.published[p.hash] == p {
			delete(p.owner.published, p.hash)
		}
		p.owner.free = append(p.owner.free, p.block)
		p.block, p.travels = nil, nil
	}
}

// forget drops the unused blocks of a run that has ended.
func (m *models) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = nil
}
