package spec

import "path/filepath"

// Data says where the examples come from: MNIST, IDX or Safetensors.
type Data interface {
	// Under returns the same data with relative paths taken from the folder dir.
	Under(dir string) Data
}

// MNIST is the embedded data set.
type MNIST struct{}

// IDX is a folder with MNIST-style files.
type IDX struct{ Dir string }

// Safetensors is a file for each set, with the tensors x and y.
type Safetensors struct{ Train, Test string }

// Under implements Data.
func (d MNIST) Under(string) Data { return d }

// Under implements Data.
func (d IDX) Under(dir string) Data { return IDX{Dir: under(dir, d.Dir)} }

// Under implements Data.
func (d Safetensors) Under(dir string) Data {
	return Safetensors{Train: under(dir, d.Train), Test: under(dir, d.Test)}
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
