package shard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// A record of CIFAR-10's binary version is a label and an image of three planes (red, green, blue), each row by row.
const (
	cifarImage   = 3 * 32 * 32
	cifarRecord  = 1 + cifarImage
	cifarClasses = 10
)

// cifarFolder is what the archive of the binary version unpacks to.
const cifarFolder = "cifar-10-batches-bin"

// LoadCIFAR10 loads the binary version of CIFAR-10: data_batch_1.bin to data_batch_5.bin in their order, and
// test_batch.bin, from the top of fsys or from its folder cifar-10-batches-bin. Images become [3, 32, 32]; labels are 0 to 9,
// and Classes is 10 whichever occur. Each file holds whole records of 3073 bytes, at least one; the original ones have
// 10,000.
func LoadCIFAR10(fsys fs.FS, need Need) (Data, error) {
	if _, err := fs.Stat(fsys, cifarFolder); err == nil {
		if fsys, err = fs.Sub(fsys, cifarFolder); err != nil {
			return Data{}, fmt.Errorf("opening %s: %w", cifarFolder, err)
		}
	}
	var d Data
	var err error
	if need.Has(Training) {
		var files []string
		for i := range 5 {
			files = append(files, fmt.Sprintf("data_batch_%d.bin", i+1))
		}
		if d.Train, err = loadCIFARSet(fsys, files, need.Has(TrainX), need.Has(TrainY)); err != nil {
			return Data{}, fmt.Errorf("loading the training set: %w", err)
		}
	}
	if need.Has(Testing) {
		if d.Test, err = loadCIFARSet(fsys, []string{"test_batch.bin"}, need.Has(TestX), need.Has(TestY)); err != nil {
			return Data{}, fmt.Errorf("loading the test set: %w", err)
		}
	}
	return d, d.check()
}

func loadCIFARSet(fsys fs.FS, files []string, needX, needY bool) (*Set, error) {
	s := &Set{Classes: cifarClasses, Outputs: cifarClasses}
	if needX {
		s.Shape = []int{3, 32, 32}
	}
	for _, name := range files {
		if err := s.appendCIFAR(fsys, name, needX, needY); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Set) appendCIFAR(fsys fs.FS, name string, needX, needY bool) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("opening the data file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("opening the data file: %w", err)
	}
	n := info.Size() / cifarRecord
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w: not a regular file", name, ErrData)
	case n == 0 || info.Size()%cifarRecord != 0:
		return fmt.Errorf("%s: %w: %d bytes, want a whole number of records of %d, at least one", name, ErrData, info.Size(), cifarRecord)
	case (int64(s.N)+n)*cifarImage > MaxFeatureBytes:
		return fmt.Errorf("%s: %w: %d bytes, with the files before it more than %d", name, ErrData, info.Size(), int64(MaxFeatureBytes))
	}
	if needX {
		s.Bytes = append(make([]uint8, 0, len(s.Bytes)+int(n)*cifarImage), s.Bytes...)
	}
	r := bufio.NewReaderSize(f, 1<<16)
	var record [cifarRecord]byte
	for i := range n {
		if _, err := io.ReadFull(r, record[:]); err != nil {
			return fmt.Errorf("%s: %w: reading record %d of %d: %w", name, ErrData, i, n, cutOff(err))
		}
		if label := record[0]; label >= cifarClasses {
			return fmt.Errorf("%s: %w: label %d of record %d, want 0 to %d", name, ErrData, label, i, cifarClasses-1)
		}
		if needX {
			s.Bytes = append(s.Bytes, record[1:]...)
		}
		if needY {
			s.Labels = append(s.Labels, int32(record[0]))
		}
	}
	s.N += int(n)
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: more than the %d bytes it was said to have", name, ErrData, info.Size())
	}
	return nil
}
