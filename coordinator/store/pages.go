package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The format of bbolt's pages, in the byte order of the machine: a page begins with its header, a branch page goes on
// with elements {pos u32, ksize u32, pgid u64}, a leaf page with elements {flags u32, pos u32, ksize u32, vsize u32},
// pos counting from the element itself; keys and values follow. A bucket is a value {root u64, sequence u64}, with root
// 0 followed by a leaf page. A freelist page holds page numbers, after their count where that exceeds 65534.
const (
	pageHeader    = 16 // id u64, flags u16, count u16, overflow u32
	elementSize   = 16
	bucketHeader  = 16
	branchFlag    = 0x01
	leafFlag      = 0x02
	freelistFlag  = 0x10
	bucketElement = 0x01
	boltMagic     = 0xED0CDAED
	boltVersion   = 2
	noFreelist    = ^uint64(0)
	metaSize      = 64
	manyFree      = 0xFFFF
)

var order = binary.NativeEndian

// boltMeta is one of the two pages that say where a transaction's state begins.
type boltMeta struct {
	pageSize, root, freelist, pages, txid uint64
}

// image reads the pages of a bbolt file without believing them.
type image struct {
	r     io.ReaderAt
	size  int64
	meta  boltMeta // the newest valid one
	other error    // what is wrong with the other one
}

// newImage finds the newest valid meta page.
func newImage(r io.ReaderAt, size int64) (*image, error) {
	first, errFirst := readMeta(r, 0)
	second, errSecond := boltMeta{}, error(nil)
	if errFirst == nil {
		second, errSecond = readMeta(r, int64(first.pageSize))
	} else {
		second, errSecond = findSecondMeta(r, size)
	}
	if errFirst != nil && errSecond != nil {
		return nil, fmt.Errorf("%w: both meta pages: %w; %w", ErrDamaged, errFirst, errSecond)
	}
	img := &image{r: r, size: size, meta: first, other: errors.Join(errFirst, errSecond)}
	if errFirst != nil || errSecond == nil && second.txid > first.txid {
		img.meta = second
	}
	if errFirst == nil && errSecond == nil && first.pageSize != second.pageSize {
		return nil, fmt.Errorf("%w: meta pages name page sizes %d and %d", ErrDamaged, first.pageSize, second.pageSize)
	}
	m := &img.meta
	if m.pages > uint64(size)/m.pageSize {
		return nil, fmt.Errorf("%w: the file has %d bytes, %d pages of %d bytes are in use", ErrDamaged, size, m.pages, m.pageSize)
	}
	return img, nil
}

// findSecondMeta looks for the second meta page where the first does not tell the page size.
func findSecondMeta(r io.ReaderAt, size int64) (boltMeta, error) {
	for at := int64(1024); at <= 1024<<14 && at < size; at *= 2 {
		if m, err := readMeta(r, at); err == nil && int64(m.pageSize) == at {
			return m, nil
		}
	}
	return boltMeta{}, errors.New("second meta page: not found")
}

func readMeta(r io.ReaderAt, at int64) (boltMeta, error) {
	var b [pageHeader + metaSize]byte
	if _, err := r.ReadAt(b[:], at); err != nil {
		return boltMeta{}, fmt.Errorf("meta page at byte %d: %w", at, err)
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	if order.Uint32(m) != boltMagic || order.Uint32(m[4:]) != boltVersion || order.Uint64(m[56:]) != sum.Sum64() {
		return boltMeta{}, fmt.Errorf("meta page at byte %d: wrong magic number, version or checksum", at)
	}
	meta := boltMeta{
		pageSize: uint64(order.Uint32(m[8:])), root: order.Uint64(m[16:]), freelist: order.Uint64(m[32:]),
		pages: order.Uint64(m[40:]), txid: order.Uint64(m[48:]),
	}
	if meta.pageSize < 1024 || meta.pageSize > 1024<<14 || meta.pageSize&(meta.pageSize-1) != 0 {
		return boltMeta{}, fmt.Errorf("meta page at byte %d: page size %d", at, meta.pageSize)
	}
	return meta, nil
}

// page is a page whose header is plausible; it reads what lies within the page, and nothing else.
type page struct {
	img    *image
	id     uint64
	flags  uint16
	count  int
	length int64 // with overflow, in bytes
	head   []byte
}

func (img *image) page(id uint64) (page, error) {
	if id < 2 || id >= img.meta.pages {
		return page{}, fmt.Errorf("page %d is outside 2 .. %d", id, img.meta.pages-1)
	}
	head := make([]byte, img.meta.pageSize)
	if _, err := img.r.ReadAt(head, int64(id*img.meta.pageSize)); err != nil {
		return page{}, fmt.Errorf("reading page %d: %w", id, err)
	}
	overflow := uint64(order.Uint32(head[12:]))
	if got := order.Uint64(head); got != id {
		return page{}, fmt.Errorf("page %d calls itself page %d", id, got)
	}
	if overflow >= img.meta.pages-id {
		return page{}, fmt.Errorf("page %d goes on for %d pages, beyond the last one", id, overflow)
	}
	return page{
		img: img, id: id, flags: order.Uint16(head[8:]), count: int(order.Uint16(head[10:])),
		length: int64((overflow + 1) * img.meta.pageSize), head: head,
	}, nil
}

// bytes returns n bytes of the page from offset at on, or ok = false if they are not all within it.
func (p *page) bytes(at, n int64) (b []byte, ok bool) {
	if at < 0 || n < 0 || at > p.length || n > p.length-at {
		return nil, false
	}
	if at+n <= int64(len(p.head)) {
		return p.head[at : at+n], true
	}
	b = make([]byte, n)
	_, err := p.img.r.ReadAt(b, int64(p.id*p.img.meta.pageSize)+at)
	return b, err == nil
}

// maxKey is bbolt's.
const maxKey = 32768

// key returns the key of the element that lies at an offset.
func (p *page) key(element int64, pos, size uint32) (key []byte, ok bool) {
	if size > maxKey {
		return nil, false
	}
	return p.bytes(element+int64(pos), int64(size))
}

// free returns the numbers that a freelist page holds.
func (p *page) free() ([]uint64, error) {
	n, at := int64(p.count), int64(pageHeader)
	if p.flags != freelistFlag {
		return nil, fmt.Errorf("page %d is no freelist", p.id)
	}
	if p.count == manyFree {
		b, _ := p.bytes(at, 8)
		n, at = int64(order.Uint64(b)), at+8
	}
	if n < 0 || n > p.length/8 {
		return nil, fmt.Errorf("freelist in page %d has %d numbers", p.id, n)
	}
	b, ok := p.bytes(at, 8*n)
	if !ok {
		return nil, fmt.Errorf("freelist in page %d goes beyond it", p.id)
	}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = order.Uint64(b[8*i:])
	}
	return ids, nil
}
