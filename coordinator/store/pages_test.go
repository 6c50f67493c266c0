package store

import (
	"bytes"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

// collector is a visitor that notes all pairs with the path of their bucket.
type collector struct {
	path  []byte
	sizes []int
	pairs map[string]string
}

func (c *collector) enter(name []byte) error {
	c.sizes = append(c.sizes, len(c.path))
	c.path = append(append(c.path, name...), '/')
	return nil
}

func (c *collector) leave() error {
	c.path = c.path[:c.sizes[len(c.sizes)-1]]
	c.sizes = c.sizes[:len(c.sizes)-1]
	return nil
}

func (c *collector) pair(key []byte, value func() ([]byte, bool)) error {
	v, ok := value()
	if !ok {
		v = []byte("not readable")
	}
	c.pairs[string(c.path)+string(key)] = string(v)
	return nil
}

// noteAll notes what bbolt itself says is in a bucket.
func (c *collector) noteAll(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if child := b.Bucket(k); child != nil {
			if err := c.enter(k); err != nil {
				return err
			}
			if err := c.noteAll(child); err != nil {
				return err
			}
			return c.leave()
		}
		return c.pair(k, func() ([]byte, bool) { return v, true })
	})
}

// boltFile writes a file with trees of some depth, large and small values, inline buckets, and many free pages.
func boltFile(t testing.TB, pageSize, keys int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true, FreelistType: bbolt.FreelistMapType})
	check(t, err)
	for pass := range 3 {
		check(t, db.Update(func(tx *bbolt.Tx) error {
			outer, err := tx.CreateBucketIfNotExists([]byte("outer"))
			check(t, err)
			small, err := outer.CreateBucketIfNotExists([]byte("small"))
			check(t, err)
			check(t, small.Put([]byte("k"), []byte("v")))
			for i := range keys {
				key := key64(uint64(i * 7919 % keys))
				if pass == 1 && i%3 == 0 {
					check(t, outer.Delete(key))
					continue
				}
				check(t, outer.Put(key, bytes.Repeat([]byte{byte(i)}, i%100*(1+i%7*20))))
			}
			return nil
		}))
	}
	check(t, db.Close())
	return path
}

func TestPagesAreReadAsBboltReadsThem(t *testing.T) {
	for _, pageSize := range []int{1024, 4096, 1 << 16} {
		for _, keys := range []int{0, 1, 50, 5000} {
			path := boltFile(t, pageSize, keys)
			ours, theirs := collector{pairs: map[string]string{}}, collector{pairs: map[string]string{}}
			img, file, err := openImage(path)
			check(t, err)
			problems, err := img.check(&ours)
			check(t, err)
			check(t, file.Close())
			if len(problems) > 0 {
				t.Errorf("pages of %d bytes, %d keys: %v", pageSize, keys, problems)
			}
			db, err := openFile(path, Options{}, true)
			check(t, err)
			check(t, db.View(func(tx *bbolt.Tx) error {
				return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
					check(t, theirs.enter(name))
					check(t, theirs.noteAll(b))
					return theirs.leave()
				})
			}))
			check(t, db.Close())
			if len(ours.pairs) != len(theirs.pairs) || len(ours.pairs) < keys {
				t.Fatalf("pages of %d bytes: %d pairs, bbolt reads %d", pageSize, len(ours.pairs), len(theirs.pairs))
			}
			for k, v := range theirs.pairs {
				if ours.pairs[k] != v {
					t.Fatalf("pages of %d bytes: key %q differs", pageSize, k)
				}
			}
		}
	}
}

func TestALostMetaPageIsAProblem(t *testing.T) {
	path := boltFile(t, 1024, 50)
	whole, err := os.ReadFile(path)
	check(t, err)
	for _, lost := range []int{0, 1} {
		b := slices.Clone(whole)
		b[lost*1024+40] ^= 1
		img, err := newImage(bytes.NewReader(b), int64(len(b)))
		check(t, err)
		problems, err := img.check(nil)
		check(t, err)
		if len(problems) == 0 {
			t.Errorf("without meta page %d everything is sound", lost)
		}
	}
}

func FuzzPages(f *testing.F) {
	for _, keys := range []int{0, 30} {
		b, err := os.ReadFile(boltFile(f, 1024, keys))
		check(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum of the meta pages would keep all changes of them out.
		for at := 0; at+1024 <= len(b) && at < 2048; at += 1024 {
			sign(b[at:])
		}
		img, err := newImage(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_, err = img.check(&collector{pairs: map[string]string{}})
		check(t, err)
	})
}

// sign makes the checksum of a meta page right.
func sign(page []byte) {
	sum := fnv.New64a()
	sum.Write(page[pageHeader : pageHeader+56])
	order.PutUint64(page[pageHeader+56:], sum.Sum64())
}
