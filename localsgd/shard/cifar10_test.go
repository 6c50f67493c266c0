package shard

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// cifarFile holds records whose pixel p of channel c (0 to 2) is first + 3 i + c + p, modulo 256.
func cifarFile(first byte, labels ...byte) []byte {
	var file []byte
	for i, label := range labels {
		file = append(file, label)
		for c := range 3 {
			for p := range 32 * 32 {
				file = append(file, first+byte(3*i+c+p))
			}
		}
	}
	return file
}

func tinyCIFAR() map[string][]byte {
	return map[string][]byte{
		"data_batch_1.bin": cifarFile(10, 3, 0), "data_batch_2.bin": cifarFile(20, 9), "data_batch_3.bin": cifarFile(30, 1),
		"data_batch_4.bin": cifarFile(40, 1), "data_batch_5.bin": cifarFile(50, 2), "test_batch.bin": cifarFile(60, 7, 7, 8),
		"batches.meta.txt": []byte("airplane\n"),
	}
}

func TestLoadCIFAR10(t *testing.T) {
	inFolder := map[string][]byte{}
	for name, data := range tinyCIFAR() {
		inFolder["cifar-10-batches-bin/"+name] = data
	}
	for _, files := range []map[string][]byte{tinyCIFAR(), inFolder} {
		d, err := LoadCIFAR10(asFS(files), All)
		if err != nil {
			t.Fatal(err)
		}
		s := d.Train
		if s.N != 6 || !slices.Equal(s.Shape, []int{3, 32, 32}) || !slices.Equal(s.Labels, []int32{3, 0, 9, 1, 1, 2}) || s.Classes != 10 || d.Test.N != 3 {
			t.Errorf("%d of %v, labels %v", s.N, s.Shape, s.Labels)
		}
		// Example 1 is the second of the first file: pixel (row 2, column 5) of the blue plane.
		if got, want := s.Bytes[1*cifarImage+2*1024+2*32+5], byte(10+3+2+2*32+5); got != want {
			t.Errorf("pixel %d, want %d", got, want)
		}
		if err := errors.Join(s.Validate(), d.Test.Validate()); err != nil {
			t.Error(err)
		}
	}
	d, err := LoadCIFAR10(asFS(tinyCIFAR()), TrainY)
	if err != nil || d.Test != nil || d.Train.HasFeatures() || d.Train.N != 6 || d.Train.Shape != nil {
		t.Errorf("labels alone: %+v, %v", d.Train, err)
	}
}

func TestLoadCIFAR10Refuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		data       []byte
		also       error
		want       string
	}{
		{"missing", "data_batch_3.bin", nil, fs.ErrNotExist, "data_batch_3.bin"},
		{"empty", "data_batch_3.bin", []byte{}, ErrData, "data_batch_3.bin: invalid data: 0 bytes"},
		{"part of a record", "test_batch.bin", cifarFile(1, 1)[:3072], ErrData, "3072 bytes, want a whole number of records of 3073"},
		{"a byte more", "test_batch.bin", append(cifarFile(1, 1), 0), ErrData, "3074 bytes"},
		{"label", "data_batch_2.bin", cifarFile(1, 1, 10), ErrData, "label 10 of record 1, want 0 to 9"},
		{"100 classes", "data_batch_1.bin", bytes.Repeat(cifarFile(1, 99), 2), ErrData, "label 99 of record 0"},
	} {
		files := tinyCIFAR()
		delete(files, c.file)
		if c.data != nil {
			files[c.file] = c.data
		}
		if _, err := LoadCIFAR10(asFS(files), All); !errors.Is(err, c.also) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzCIFAR10: no bytes panic or make a set that does not validate.
func FuzzCIFAR10(f *testing.F) {
	f.Add(cifarFile(1, 1, 2))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := LoadCIFAR10(asFS(map[string][]byte{"test_batch.bin": data}), Testing)
		if err == nil && d.Test.Validate() != nil {
			t.Errorf("accepted an invalid set of %d examples", d.Test.N)
		}
	})
}
