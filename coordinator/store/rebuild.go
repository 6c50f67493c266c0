package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// checkFile looks whether the pages of a file are sound, before bbolt maps and believes them.
func checkFile(path string) (problems []error, err error) {
	img, file, err := openImage(path)
	if err != nil {
		return nil, err
	}
	problems, err = img.check(nil)
	return problems, errors.Join(err, file.Close())
}

func openImage(path string) (*image, *os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	img, err := newImage(file, info.Size())
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return img, file, nil
}

// rebuild copies what is sound in a damaged file to a new one, which takes its place; the damaged one is kept beside it.
// The models and entries that are lost by that are found missing when their run is loaded. It gives up, and leaves
// everything as it is, if what is left is no store of ours.
func rebuild(path string, found []error) ([]Problem, error) {
	img, file, err := openImage(path)
	if err != nil {
		return nil, err
	}
	aside := fmt.Sprintf("%s.damaged-%d", path, img.meta.txid)
	err = replace(path, func(db *bbolt.DB) error {
		if err := salvage(img, db); err != nil {
			return err
		}
		if err := db.View(checkFormat); err != nil {
			return err
		}
		return ignore(os.Link(path, aside), os.ErrExist)
	})
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(append(found, err)...)
	}
	problems := make([]Problem, 0, len(found)+1)
	for _, p := range found {
		problems = append(problems, Problem{Where: fileName, Err: p})
	}
	told := fmt.Errorf("%w file rebuilt from its sound parts, kept as %s", ErrDamaged, filepath.Base(aside))
	return append(problems, Problem{Where: fileName, Err: told}), nil
}

// salvage copies the sound parts of an image.
func salvage(img *image, db *bbolt.DB) error {
	c := &copier{db: db}
	_, err := img.check(c)
	if c.tx == nil {
		return err
	}
	if err != nil {
		return errors.Join(err, c.tx.Rollback())
	}
	return c.tx.Commit()
}

// complete makes the buckets that a rebuilt file lost, empty, puts runs that lost their place behind the others, and
// removes places without a run.
func complete(tx *bbolt.Tx) error {
	runs, order := tx.Bucket(runsBucket), tx.Bucket(orderBucket)
	placed := make(map[string]bool)
	var empty [][]byte
	err := order.ForEach(func(number, id []byte) error {
		if placed[string(id)] || runs.Bucket(id) == nil {
			empty = append(empty, bytes.Clone(number))
		}
		placed[string(id)] = true
		return nil
	})
	for _, number := range empty {
		err = errors.Join(err, order.Delete(number))
	}
	var all []string
	err = errors.Join(err, runs.ForEachBucket(func(id []byte) error {
		all = append(all, string(id))
		return nil
	}))
	for _, id := range all {
		if err == nil {
			_, err = createRun(tx, id)
		}
		if err == nil && !placed[id] {
			err = enqueue(tx, id)
		}
	}
	return err
}

// copier is a visitor that writes what it is told into a new file, some MiB a transaction.
type copier struct {
	db      *bbolt.DB
	tx      *bbolt.Tx
	path    [][]byte
	pending int // bytes written in tx
}

func (c *copier) enter(name []byte) error {
	c.path = append(c.path, bytes.Clone(name))
	_, err := c.bucket()
	return err
}

func (c *copier) leave() error {
	c.path = c.path[:len(c.path)-1]
	return nil
}

func (c *copier) pair(key []byte, value func() ([]byte, bool)) error {
	v, ok := value()
	if !ok || len(c.path) == 0 {
		return nil
	}
	if c.pending+len(v) > groupBytes && c.tx != nil {
		if err := c.tx.Commit(); err != nil {
			return err
		}
		c.tx, c.pending = nil, 0
	}
	b, err := c.bucket()
	if err != nil {
		return err
	}
	c.pending += len(v)
	return b.Put(key, bytes.Clone(v))
}

// bucket returns the bucket at path, and makes what is not there of it.
func (c *copier) bucket() (b *bbolt.Bucket, err error) {
	if c.tx == nil {
		if c.tx, err = c.db.Begin(true); err != nil {
			return nil, err
		}
	}
	if b, err = c.tx.CreateBucketIfNotExists(c.path[0]); err != nil {
		return nil, err
	}
	for _, name := range c.path[1:] {
		if b, err = b.CreateBucketIfNotExists(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}
