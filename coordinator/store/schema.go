package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"go.etcd.io/bbolt"

	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// The buckets of the file. Numbers in keys are big-endian, so that they sort. Sealed values end with their CRC-32C.
//
//	meta      format -> sealed u32
//	incoming  id -> bucket of models as below: of runs that are being submitted
//	order     number of submission u64 -> id of the run
//	runs      id -> bucket
//	    run      sealed record.Run
//	    head     sealed head
//	    chain    seq u64 -> record.Entry
//	    rounds   round u64 -> seq u64 of its entry
//	    due      round u64 -> nothing: its measurement is still missing
//	    kept     round u64 -> sealed kept: its model is stored
//	    states   shard u32, round u64 -> sealed whether it stays with its worker u8, SHA-256: of
//	             the shard's own state that its task of that round made
//	    models   SHA-256 -> bucket: models, what rules remember, states of shards
//	        values   sealed u64, the size of the model
//	        chunk u32 -> bucket
//	            c   CRC-32C of d
//	            d   float32 values, little-endian
var (
	metaBucket     = []byte("meta")
	formatKey      = []byte("format")
	orderBucket    = []byte("order")
	incomingBucket = []byte("incoming")
	runsBucket     = []byte("runs")
	runKey         = []byte("run")
	headKey        = []byte("head")
	chainBucket    = []byte("chain")
	roundsBucket   = []byte("rounds")
	dueBucket      = []byte("due")
	keptBucket     = []byte("kept")
	statesBucket   = []byte("states")
	modelsBucket   = []byte("models")
	valuesKey      = []byte("values")
	crcKey         = []byte("c")
	dataKey        = []byte("d")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal appends the CRC-32C of b.
func seal(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b[:len(b):len(b)], crc32.Checksum(b, castagnoli))
}

// unseal returns what was sealed; nil for a value that is not there is damaged, too.
func unseal(b []byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(b))
	}
	if want, got := binary.BigEndian.Uint32(b[n:]), crc32.Checksum(b[:n], castagnoli); want != got {
		return nil, fmt.Errorf("%w: CRC-32C is %08x, should be %08x", ErrDamaged, got, want)
	}
	return b[:n], nil
}

func unsealSized(b []byte, size int) ([]byte, error) {
	b, err := unseal(b)
	if err == nil && len(b) != size {
		return nil, fmt.Errorf("%w: %d bytes, should be %d", ErrDamaged, len(b), size)
	}
	return b, err
}

func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func key32(n int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// parse64 reads a key or value of 8 bytes; damaged ones are no number at all.
func parse64(b []byte) (n uint64, ok bool) {
	if len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// parseRound reads the key of a round.
func parseRound(b []byte) (round int, ok bool) {
	n, ok := parse64(b)
	return int(n), ok && n <= math.MaxInt32
}

// initialize makes the buckets of an empty store.
func initialize(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, orderBucket, runsBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, seal(binary.BigEndian.AppendUint32(nil, Format)))
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || tx.Bucket(orderBucket) == nil || tx.Bucket(runsBucket) == nil {
		return fmt.Errorf("%w: %s has other contents", ErrNotStore, fileName)
	}
	b, err := unsealSized(meta.Get(formatKey), 4)
	if err != nil {
		return fmt.Errorf("reading the format's version: %w", err)
	}
	switch found := binary.BigEndian.Uint32(b); {
	case found > Format:
		return &NewerFormatError{Found: found, Known: Format}
	case found < Format:
		return fmt.Errorf("%w: its format %d was never released", ErrNotStore, found)
	}
	return nil
}

// head is where the chain of a run ends.
type head struct {
	next  uint64      // Seq of the next entry
	prev  tensor.Hash // its Prev
	round int         // the last committed one; -1: none
}

const headSize = 8 + 32 + 8

func (h head) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.next)
	b = append(b, h.prev[:]...)
	return seal(binary.BigEndian.AppendUint64(b, uint64(h.round+1)))
}

func decodeHead(b []byte) (head, error) {
	b, err := unsealSized(b, headSize)
	if err != nil {
		return head{}, fmt.Errorf("reading the head of the chain: %w", err)
	}
	round := binary.BigEndian.Uint64(b[40:])
	if round > math.MaxInt32 {
		return head{}, fmt.Errorf("%w: the head of the chain names round %d", ErrDamaged, round)
	}
	return head{next: binary.BigEndian.Uint64(b), prev: tensor.Hash(b[8:40]), round: int(round) - 1}, nil
}

// kept is the reference of a stored model, with what retention needs to know of its round.
type kept struct {
	round    int
	hash     tensor.Hash
	accuracy float64     // NaN: not measured
	state    tensor.Hash // of what the rule remembers beside it; zero: nothing, and not written
}

const (
	keptSize      = 32 + 8
	keptStateSize = keptSize + 32
)

func (k kept) encode() []byte {
	b := append([]byte(nil), k.hash[:]...)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(k.accuracy))
	if !k.state.IsZero() {
		b = append(b, k.state[:]...)
	}
	return seal(b)
}

// blobs returns the hashes of what the reference keeps.
func (k kept) blobs() []tensor.Hash {
	if k.state.IsZero() {
		return []tensor.Hash{k.hash}
	}
	return []tensor.Hash{k.hash, k.state}
}

func decodeKept(key, b []byte) (kept, error) {
	round, ok := parseRound(key)
	if !ok {
		return kept{}, fmt.Errorf("%w: key %x is no round", ErrDamaged, key)
	}
	b, err := unseal(b)
	if err == nil && len(b) != keptSize && len(b) != keptStateSize {
		err = fmt.Errorf("%w: %d bytes, should be %d or %d", ErrDamaged, len(b), keptSize, keptStateSize)
	}
	if err != nil {
		return kept{}, fmt.Errorf("reading the reference of the model of round %d: %w", round, err)
	}
	ref := kept{round: round, hash: tensor.Hash(b[:32]), accuracy: math.Float64frombits(binary.BigEndian.Uint64(b[32:]))}
	if len(b) == keptStateSize {
		ref.state = tensor.Hash(b[keptSize:])
	}
	return ref, nil
}

// runBuckets are the buckets of one run in a transaction.
type runBuckets struct {
	id                                       string
	self                                     *bbolt.Bucket
	chain, rounds, due, kept, models, states *bbolt.Bucket
}

// openRun returns the buckets of a run, or ErrNoRun.
func openRun(tx *bbolt.Tx, id string) (runBuckets, error) {
	var self *bbolt.Bucket
	if id != "" {
		self = tx.Bucket(runsBucket).Bucket([]byte(id))
	}
	if self == nil {
		return runBuckets{}, fmt.Errorf("%w: %q", ErrNoRun, id)
	}
	r := runBuckets{
		id: id, self: self, chain: self.Bucket(chainBucket), rounds: self.Bucket(roundsBucket), due: self.Bucket(dueBucket),
		kept: self.Bucket(keptBucket), models: self.Bucket(modelsBucket), states: self.Bucket(statesBucket),
	}
	if r.chain == nil || r.rounds == nil || r.due == nil || r.kept == nil || r.models == nil {
		return runBuckets{}, fmt.Errorf("run %s: %w: a part of it is missing", id, ErrDamaged)
	}
	return r, nil
}

// createRun makes the buckets of a run; those that are there stay as they are.
func createRun(tx *bbolt.Tx, id string) (runBuckets, error) {
	self, err := tx.Bucket(runsBucket).CreateBucketIfNotExists([]byte(id))
	if err != nil {
		return runBuckets{}, err
	}
	for _, name := range [][]byte{chainBucket, roundsBucket, dueBucket, keptBucket, modelsBucket, statesBucket} {
		if _, err := self.CreateBucketIfNotExists(name); err != nil {
			return runBuckets{}, err
		}
	}
	return openRun(tx, id)
}

func (r runBuckets) head() (head, error) { return decodeHead(r.self.Get(headKey)) }

func (r runBuckets) setHead(h head) error { return r.self.Put(headKey, h.encode()) }
