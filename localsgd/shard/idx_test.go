package shard

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// idxBytes is an IDX file of unsigned bytes.
func idxBytes(data []byte, dims ...int) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// tinyIDX is a data set of four training and two test images of 2 x 3, with labels 0 to 2 and 0, 2.
func tinyIDX() map[string][]byte {
	pixels := make([]byte, 36)
	for i := range pixels {
		pixels[i] = byte(7 * i)
	}
	return map[string][]byte{
		trainImages: idxBytes(pixels[:24], 4, 2, 3),
		trainLabels: idxBytes([]byte{2, 0, 1, 1}, 4),
		testImages:  idxBytes(pixels[24:], 2, 2, 3),
		testLabels:  idxBytes([]byte{0, 2}, 2),
	}
}

func asFS(files map[string][]byte) fs.FS {
	m := fstest.MapFS{}
	for name, b := range files {
		m[name] = &fstest.MapFile{Data: b}
	}
	return m
}

func TestLoadIDX(t *testing.T) {
	plain := tinyIDX()
	zipped, dotted, emnist := map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
	for name, b := range plain {
		zipped[name+".gz"] = gz(t, b)
		dotted[strings.Replace(name, "-idx", ".idx", 1)] = b
		emnist["emnist-letters-"+strings.Replace(name, "t10k-", "test-", 1)+".gz"] = gz(t, b)
	}
	both := maps.Clone(plain) // the plain files win over damaged zipped ones
	both[trainImages+".gz"] = []byte("no gzip")
	mixed := maps.Clone(emnist) // files without a prefix win
	maps.Copy(mixed, plain)
	mixed["README"] = nil
	for name, files := range map[string]map[string][]byte{
		"plain": plain, "gz": zipped, "dotted": dotted, "emnist": emnist, "both": both, "mixed": mixed,
	} {
		t.Run(name, func(t *testing.T) {
			d, err := LoadIDX(asFS(files), All)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(d.Train.Shape, []int{1, 2, 3}) || d.Train.N != 4 || d.Test.N != 2 || d.Train.Size() != 6 {
				t.Errorf("shapes %v %d, %v %d", d.Train.Shape, d.Train.N, d.Test.Shape, d.Test.N)
			}
			if !slices.Equal(d.Train.Labels, []int32{2, 0, 1, 1}) || d.Train.Classes != 3 || d.Train.Outputs != 3 || d.Test.Classes != 3 {
				t.Errorf("labels %v of %d classes", d.Train.Labels, d.Train.Classes)
			}
			if !bytes.Equal(d.Test.Bytes, plain[testImages][16:]) {
				t.Errorf("test images %v", d.Test.Bytes)
			}
			if err := errors.Join(d.Train.Validate(), d.Test.Validate()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLoadIDXNeed(t *testing.T) {
	files := tinyIDX()
	delete(files, trainImages)
	d, err := LoadIDX(asFS(files), TrainY|Testing)
	if err != nil {
		t.Fatal(err)
	}
	if d.Train.HasFeatures() || d.Train.N != 4 || d.Train.Classes != 3 || !d.Test.HasFeatures() {
		t.Errorf("train %+v, test %+v", d.Train, d.Test)
	}
	delete(files, testImages)
	delete(files, testLabels)
	if d, err = LoadIDX(asFS(files), TrainY); err != nil || d.Test != nil {
		t.Errorf("training labels alone: %+v, %v", d, err)
	}
	if _, err = LoadIDX(asFS(files), Training); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing training images: %v", err)
	}
}

func TestLoadIDXRefuses(t *testing.T) {
	bomb := gz(t, append(idxBytes(nil, 4, 2, 3), make([]byte, 16<<20)...))
	damaged := gz(t, tinyIDX()[trainImages])
	damaged[len(damaged)-8] ^= 1 // its CRC
	cut := gz(t, tinyIDX()[trainImages])
	cases := []struct {
		name, file string
		data       []byte // nil: the file is missing
		also       error
		want       string
	}{
		{"missing", trainLabels, nil, fs.ErrNotExist, trainLabels + ".gz in the data directory"},
		{"empty", trainLabels, []byte{}, io.ErrUnexpectedEOF, "truncated after 0 bytes"},
		{"short header", trainImages, idxBytes(nil, 4, 2), io.ErrUnexpectedEOF, "truncated after 12 bytes, the header takes 16"},
		{"magic", trainImages, append(idxBytes(nil, 24, 1), make([]byte, 24)...), nil, "magic number 0x00000802, want 0x00000803"},
		{"floats", trainLabels, append([]byte{0, 0, 0xd, 1, 0, 0, 0, 1}, 0, 0, 0, 0), nil, "want 0x00000801"},
		{"no examples", trainLabels, idxBytes(nil, 0), nil, "dimension 0 is 0"},
		{"truncated", trainImages, idxBytes(make([]byte, 23), 4, 2, 3), io.ErrUnexpectedEOF, "23 of the 24 bytes"},
		{"far too short", trainImages, idxBytes(make([]byte, 2), 4, 2, 3), io.ErrUnexpectedEOF, "more than a file of 18 bytes can hold"},
		{"trailing", trainImages, idxBytes(make([]byte, 25), 4, 2, 3), nil, "trailing bytes"},
		{"claims too much", trainImages, idxBytes(nil, 1<<20, 1<<10, 1), io.ErrUnexpectedEOF, "more than a file of 16 bytes can hold"},
		{"claims over the limit", trainImages, idxBytes(nil, 1<<30, 1<<30, 1<<30), nil, "at most"},
		{"image and label counts", trainLabels, idxBytes([]byte{0, 1, 2}, 3), nil, "holds 4 images, but " + trainLabels + " holds 3 labels"},
		{"train label with a gap", trainLabels, idxBytes([]byte{2, 0, 1, 200}, 4), nil, "label 200 of example 3 is out of range"},
		{"train label beyond the test's", trainLabels, idxBytes([]byte{2, 0, 1, 3}, 4), nil, "label 3 of example 3 is out of range: the other set allows 0 to 2"},
		{"test label out of range", testLabels, idxBytes([]byte{0, 3}, 2), nil, testLabels + ": invalid data: label 3 of example 1"},
		{"no gzip", trainImages + ".gz", []byte("hello"), nil, "not a gzip file"},
		{"gzip bomb", trainImages + ".gz", bomb, nil, "trailing bytes after the 24"},
		{"gzip claims too much", trainImages + ".gz", gz(t, idxBytes(nil, 1<<20, 1<<10, 1)), io.ErrUnexpectedEOF, "can hold"},
		{"gzip checksum", trainImages + ".gz", damaged, gzip.ErrChecksum, "after the data"},
		{"gzip cut off", trainImages + ".gz", cut[:len(cut)-9], io.ErrUnexpectedEOF, ""},
		{"gzip without trailer", trainImages + ".gz", cut[:len(cut)-4], io.ErrUnexpectedEOF, "after the data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files := tinyIDX()
			delete(files, strings.TrimSuffix(c.file, ".gz"))
			if c.data != nil {
				files[c.file] = c.data
			}
			_, err := LoadIDX(asFS(files), All)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file[:5]) {
				t.Fatalf("error %v, want %s and %q", err, c.file, c.want)
			}
			if c.also != nil && !errors.Is(err, c.also) {
				t.Errorf("error %v does not wrap %v", err, c.also)
			}
			if c.data != nil && !errors.Is(err, ErrData) {
				t.Errorf("error %v does not wrap ErrData", err)
			}
		})
	}
}

func TestLoadIDXRefusesTestImagesOfAnotherShape(t *testing.T) {
	files := tinyIDX()
	files[testImages] = idxBytes(make([]byte, 12), 2, 3, 2)
	_, err := LoadIDX(asFS(files), All)
	if !errors.Is(err, ErrData) || !strings.Contains(err.Error(), "shape [1 2 3], test examples [1 3 2]") {
		t.Error(err)
	}
}

func TestLoadIDXAmbiguousDirectory(t *testing.T) {
	files := map[string][]byte{}
	for name, b := range tinyIDX() {
		files["emnist-letters-"+name] = b
		files["emnist-digits-"+name] = b
	}
	if _, err := LoadIDX(asFS(files), All); !errors.Is(err, ErrData) {
		t.Errorf("two data sets in one directory: %v", err)
	}
	if _, err := LoadIDX(fstest.MapFS{trainImages + "/x": &fstest.MapFile{}}, TrainX); err == nil {
		t.Error("a directory in the place of a file was accepted")
	}
}

// FuzzIDX: no bytes panic or make a set that does not validate.
func FuzzIDX(f *testing.F) {
	tiny := tinyIDX()
	f.Add(tiny[trainImages], tiny[trainLabels], false)
	f.Add(gz(f, tiny[trainImages]), gz(f, tiny[trainLabels]), true)
	f.Add(idxBytes(nil, 1<<20, 1<<10, 1), []byte{}, false)
	f.Fuzz(func(t *testing.T, images, labels []byte, zipped bool) {
		suffix := ""
		if zipped {
			suffix = ".gz"
		}
		d, err := LoadIDX(asFS(map[string][]byte{trainImages + suffix: images, trainLabels + suffix: labels}), Training)
		if err != nil {
			return
		}
		if err := d.Train.Validate(); err != nil {
			t.Errorf("accepted an invalid set: %v", err)
		}
	})
}
