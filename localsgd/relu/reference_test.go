package relu_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fedrelu/fedrelu/internal/safetensors"
	"github.com/fedrelu/fedrelu/localsgd/relu"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

const referenceDir = "testdata/reference"

// agreement is how far float32 may be from PyTorch's float64, relative to the largest value of the tensor: each sum of at
// most a dozen rounded products is off by a few 2^-24, and some steps of training add up a few dozen of these.
const agreement = 2e-5

// torchSGD is torch.optim.SGD in the words of its documentation, as a sink that takes its step at once.
type torchSGD struct {
	LR, Momentum float32
	Nesterov     bool
	WeightDecay  float32 `json:"weight_decay"`

	params, buffer []float32 // the buffer starts at 0: PyTorch starts it at the first gradient, which is the same
}

func (s *torchSGD) Gradient(offset int, g []float32) {
	for i, d := range g {
		p := &s.params[offset+i]
		d += float32(s.WeightDecay * *p)
		if s.Momentum != 0 {
			b := &s.buffer[offset+i]
			*b = float32(s.Momentum**b) + d
			if s.Nesterov {
				d += float32(s.Momentum * *b)
			} else {
				d = *b
			}
		}
		*p -= float32(s.LR * d)
	}
}

// collected gathers a gradient.
type collected []float32

func (c collected) Gradient(offset int, g []float32) { copy(c[offset:], g) }

// reference is a loaded case.
type reference struct {
	referenceCase
	net            *relu.Network
	data, expected *safetensors.File
	x, y           []float32
	n              int
	params         []float32
}

func loadReference(t *testing.T, name string) *reference {
	t.Helper()
	dir := filepath.Join(referenceDir, name)
	text, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := new(reference)
	if err := json.Unmarshal(text, &r.referenceCase); err != nil {
		t.Fatal(err)
	}
	r.data, r.expected = openTensors(t, dir, "data"), openTensors(t, dir, "expected")
	x, _ := r.data.Lookup("x")
	r.net = r.network(t, x.Shape[1:])
	r.x, r.y = readTensor(t, r.data, "x"), readTensor(t, r.data, "y")
	r.n = len(r.x) / r.net.Inputs()
	r.params = make([]float32, r.net.Parameters())
	start := openTensors(t, dir, "init")
	for i := range r.net.Layout().Len() {
		v := r.net.Layout().At(i)
		copy(tensor.Of(r.params, v), readTensor(t, start, v.Name))
	}
	return r
}

func openTensors(t *testing.T, dir, name string) *safetensors.File {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(bytes.NewReader(b), int64(len(b)), name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readTensor(t *testing.T, f *safetensors.File, name string) []float32 {
	t.Helper()
	info, ok := f.Lookup(name)
	if !ok {
		t.Fatalf("%s has no tensor %q", f.Name(), name)
	}
	values := make([]float32, info.Len())
	if err := f.ReadFloat32(name, values); err != nil {
		t.Fatal(err)
	}
	return values
}

// fill puts n consecutive examples into the machine's batch, wrapping at the end of the data.
func (r *reference) fill(m *relu.Machine[float32], first, n int) *relu.Batch[float32] {
	b := m.Batch(n)
	in, out := r.net.Inputs(), r.net.Outputs()
	for i := range n {
		j := (first + i) % r.n
		copy(b.X[i*in:(i+1)*in], r.x[j*in:])
		if r.net.Loss() == relu.MSE {
			copy(b.Targets[i*out:(i+1)*out], r.y[j*out:])
		} else {
			b.Labels[i] = int32(r.y[j])
		}
	}
	return b
}

// agree compares tensors and keeps the worst difference.
type agree struct {
	t     *testing.T
	worst float64
	where string
}

func (a *agree) tensor(name string, got, want []float32) {
	a.t.Helper()
	if len(got) != len(want) {
		a.t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	largest, difference := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		difference = max(difference, math.Abs(float64(got[i])-float64(want[i])))
	}
	relative := difference / largest
	if relative > a.worst || a.where == "" {
		a.worst, a.where = relative, name
	}
	if !(relative <= agreement) {
		a.t.Errorf("%s is off by %.3g of its largest value, allowed %.3g", name, relative, agreement)
	}
}

// block compares all tensors, of a gradient (which buffers do not have) or of a model.
func (a *agree) block(prefix string, net *relu.Network, got []float32, f *safetensors.File) {
	a.t.Helper()
	for i := range net.Layout().Len() {
		v := net.Layout().At(i)
		if v.Buffer && prefix == "grad." {
			continue
		}
		a.tensor(prefix+v.Name, tensor.Of(got, v), readTensor(a.t, f, prefix+v.Name))
	}
}

func TestReferenceCasesOfPyTorch(t *testing.T) {
	worst, at := 0.0, ""
	for _, name := range []string{
		"mlp_ce_sgd", "mlp_nesterov_wd", "mlp_nobias_leaky_mse_wd", "cnn_momentum", "mlp_residual_layernorm", "resnet_batchnorm",
		"mlp_groupnorm_scale_smoothing", "mlp_adamw_clip",
	} {
		t.Run(name, func(t *testing.T) {
			r := loadReference(t, name)
			a := &agree{t: t}
			m := relu.NewMachine[float32](r.net, r.n)
			a.tensor("logits", m.Forward(r.params, r.fill(m, 0, r.n)), readTensor(t, r.expected, "logits"))

			g := make(collected, len(r.params))
			loss := m.Backward(slices.Clone(r.params), r.fill(m, 0, r.Batch), g) // moves running statistics
			a.tensor("loss", []float32{float32(loss)}, readTensor(t, r.expected, "loss"))
			a.block("grad.", r.net, g, r.expected)
			if r.Optimizer.SGD != nil { // other optimizers train in package localsgd's tests
				a.training(r, m)
			}
			t.Logf("worst: %s, off by %.3g of its largest value", a.where, a.worst)
			if a.worst > worst {
				worst, at = a.worst, name+" "+a.where
			}
		})
	}
	t.Logf("worst of all: %.3g, in %s", worst, at)
}

// training compares the case's training by SGD.
func (a *agree) training(r *reference, m *relu.Machine[float32]) {
	a.t.Helper()
	sgd := r.Optimizer.SGD
	sgd.params, sgd.buffer = r.params, make([]float32, len(r.params))
	losses := make([]float32, r.Steps)
	for s := range losses {
		losses[s] = float32(m.Backward(r.params, r.fill(m, s*r.Batch, r.Batch), sgd))
	}
	a.tensor("losses", losses, readTensor(a.t, r.expected, "losses"))
	a.block("after.", r.net, r.params, r.expected)
}

// The cases are those that SHA256SUMS lists, and those of the collection where it lies beside the repository.
func TestReferenceCasesAreUnchanged(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join(referenceDir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	const collection = "../../../shared/reference"
	_, err = os.Stat(collection)
	present := err == nil
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if got := fileSum(t, filepath.Join(referenceDir, name)); got != want {
			t.Errorf("%s has SHA-256 %s, want %s", name, got, want)
		}
		if present && fileSum(t, filepath.Join(collection, name)) != want {
			t.Errorf("%s differs from the collection's", name)
		}
	}
}

func fileSum(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
