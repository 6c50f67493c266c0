// Package tensor views one contiguous block of numbers as the named tensors of a network.
//
// Rules: a Layout is immutable and may be shared by any number of goroutines. The order of its tensors is that of
// torch's state_dict(). A block of parameters is a plain slice of Layout.Size numbers, row-major, tensor after tensor
// without gaps; who holds the slice owns it. Views alias the block they were taken from. Buffers (running statistics)
// are part of the block, but they are no parameters: no optimizer, norm or rank looks at them.
package tensor

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// Hash is a SHA-256, of a layout or of a block of parameters.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells whether h was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// ErrHash says that bytes or text cannot be a Hash.
var ErrHash = errors.New("not a SHA-256")

// HashFromBytes returns the Hash held in b, which must be 32 bytes long.
func HashFromBytes(b []byte) (Hash, error) {
	var h Hash
	if len(b) != len(h) {
		return h, fmt.Errorf("%w: %d bytes, want %d", ErrHash, len(b), len(h))
	}
	copy(h[:], b)
	return h, nil
}

// Desc describes one tensor: its name as torch.nn.Sequential would give it, its shape, and whether it is a buffer.
type Desc struct {
	Name   string
	Shape  []int
	Buffer bool
}

// View is a tensor of a Layout together with its place in the block: elements [Offset, Offset+Size).
type View struct {
	Desc
	Offset, Size int
}

// Matrix returns the view as rows x columns: [out, in] for a linear weight, out x (in kh kw) for a convolution.
// It returns ok = false for tensors of fewer than two dimensions.
func (v View) Matrix() (rows, cols int, ok bool) {
	if len(v.Shape) < 2 {
		return 0, 0, false
	}
	return v.Shape[0], v.Size / v.Shape[0], true
}

// MaxSize is the largest number of elements that a Layout may have (16 GiB of float32).
const MaxSize = 1 << 32

// ErrLayout is wrapped by every error of NewLayout.
var ErrLayout = errors.New("invalid tensor layout")

// Layout is an ordered list of named tensors in one block.
type Layout struct {
	views       []View
	byName      map[string]int
	size        int
	fingerprint Hash
}

// NewLayout places the tensors one after the other. Names must be unique and not empty, dimensions positive.
func NewLayout(descs []Desc) (*Layout, error) {
	l := &Layout{byName: make(map[string]int, len(descs))}
	for _, d := range descs {
		if err := l.add(d); err != nil {
			return nil, err
		}
	}
	l.fingerprint = l.hash()
	return l, nil
}

func (l *Layout) add(d Desc) error {
	if d.Name == "" {
		return fmt.Errorf("%w: tensor %d has no name", ErrLayout, len(l.views))
	}
	if _, dup := l.byName[d.Name]; dup {
		return fmt.Errorf("%w: two tensors named %q", ErrLayout, d.Name)
	}
	size := 1
	for _, n := range d.Shape {
		if n <= 0 || n > MaxSize/size {
			return fmt.Errorf("%w: tensor %q has shape %v", ErrLayout, d.Name, d.Shape)
		}
		size *= n
	}
	if l.size+size > MaxSize {
		return fmt.Errorf("%w: more than %d elements", ErrLayout, MaxSize)
	}
	d.Shape = append([]int(nil), d.Shape...)
	l.byName[d.Name] = len(l.views)
	l.views = append(l.views, View{Desc: d, Offset: l.size, Size: size})
	l.size += size
	return nil
}

// hash covers names, shapes and kinds in order, so that two processes with equal fingerprints mean the same by a block.
func (l *Layout) hash() Hash {
	h := sha256.New()
	h.Write([]byte("fedrelu layout 1\n"))
	for _, v := range l.views {
		fmt.Fprintf(h, "%q %v %t\n", v.Name, v.Shape, v.Buffer)
	}
	return Hash(h.Sum(nil))
}

// Len returns the number of tensors.
func (l *Layout) Len() int { return len(l.views) }

// Size returns the number of elements of the whole block.
func (l *Layout) Size() int { return l.size }

// At returns tensor i, 0 <= i < Len.
func (l *Layout) At(i int) View { return l.views[i] }

// Descs returns the descriptions of all tensors in their order, for NewLayout to make an equal layout of.
func (l *Layout) Descs() []Desc {
	descs := make([]Desc, len(l.views))
	for i, v := range l.views {
		descs[i] = v.Desc
	}
	return descs
}

// Extend returns the layout of blocks that hold one of l and, for each of the names, one more part of the same size behind
// it, whose tensors have l's names behind name and a slash: "scaffold/0.weight". Without names it returns l itself. It
// fails, as NewLayout does, where the block would have too many elements or two tensors one name.
func (l *Layout) Extend(names ...string) (*Layout, error) {
	if len(names) == 0 {
		return l, nil
	}
	descs := l.Descs()
	for _, name := range names {
		for _, v := range l.views {
			d := v.Desc
			d.Name = name + "/" + d.Name
			descs = append(descs, d)
		}
	}
	return NewLayout(descs)
}

// Lookup returns the tensor called name.
func (l *Layout) Lookup(name string) (View, bool) {
	i, ok := l.byName[name]
	if !ok {
		return View{}, false
	}
	return l.views[i], true
}

// Fingerprint identifies names, shapes and kinds of all tensors in their order.
func (l *Layout) Fingerprint() Hash { return l.fingerprint }

// Of returns the elements of v in block, aliasing it.
func Of[F float32 | float64](block []F, v View) []F {
	return block[v.Offset : v.Offset+v.Size : v.Offset+v.Size]
}

// HashBlock returns the SHA-256 of the block's values as little-endian float32, in order: model_sha256 of the whole project.
func HashBlock(block []float32) Hash {
	h := sha256.New()
	for c := range Chunks(block, 1<<16) {
		h.Write(c)
	}
	return Hash(h.Sum(nil))
}

// Decode writes the little-endian float32 values of src into dst; len(src) must be 4*len(dst).
func Decode(dst []float32, src []byte) {
	if len(src) != 4*len(dst) {
		panic(fmt.Sprintf("tensor: decoding %d bytes into %d values", len(src), len(dst)))
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}
