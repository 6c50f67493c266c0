package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// flattenShow returns all numbers of a run's rounds as `runs show --json` has them.
func flattenShow(t *testing.T, folder string) map[place]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "show.json"))
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Start  map[string]any
		Rounds []map[string]any
	}
	decode(t, data, &shown)
	flat := make(map[place]any)
	for i, round := range append([]map[string]any{shown.Start}, shown.Rounds...) {
		of := fmt.Sprintf("round %d", i)
		for _, quantity := range []string{"test_loss", "test_accuracy", "train_loss", "model_sha256"} {
			flat[place{of, quantity, "", -1, -1}] = round[quantity]
		}
		f := flattened{flat, of}
		f.drift(round["drift"].(map[string]any))
		for _, l := range round["layers"].([]any) {
			f.layer(l.(map[string]any))
		}
		for _, r := range round["readings"].([]any) {
			f.reading(r.(map[string]any))
		}
	}
	return flat
}

// flattened takes the numbers of one round.
type flattened struct {
	flat map[place]any
	of   string
}

func (f flattened) put(quantity, layer string, value any) {
	f.flat[place{f.of, quantity, layer, -1, -1}] = value
}

func (f flattened) drift(drift map[string]any) {
	for key, value := range drift {
		switch key {
		case "shards", "reason": // what the script takes from the record, and words
		case "probes":
			list, _ := value.([]any)
			for i, n := range list {
				f.flat[place{f.of, "drift.probes", "", -1, i}] = n
			}
		case "flips", "modules":
			list, _ := value.([]any)
			for _, one := range list {
				f.named("drift."+key, one.(map[string]any))
			}
		default:
			f.put("drift."+key, "", value)
		}
	}
}

// named takes the numbers of an activation or a module.
func (f flattened) named(quantity string, one map[string]any) {
	name := one["name"].(string)
	for key, value := range one {
		switch key {
		case "name":
		case "fraction":
			f.put(quantity, name, value)
		default:
			f.put(quantity+"."+key, name, value)
		}
	}
}

func (f flattened) layer(layer map[string]any) {
	name := layer["name"].(string)
	for key, value := range layer {
		switch key {
		case "name", "shape", "model", "epsilon", "reason", "warning", "lambda_onset_reason":
		case "spectrum", "top", "energy":
			values, _ := value.([]any)
			for i, v := range values {
				f.flat[place{f.of, "layer." + key, name, -1, i}] = v
			}
		case "ranks", "local", "certificate":
			f.nested("layer."+key, name, value)
		default:
			f.put("layer."+key, name, value)
		}
	}
}

// nested takes the numbers of a document within a document.
func (f flattened) nested(quantity, layer string, value any) {
	inner, ok := value.(map[string]any)
	if !ok {
		f.put(quantity, layer, value)
		return
	}
	for key, value := range inner {
		switch key {
		case "reason":
		case "certificates":
			f.certificates(quantity+"."+key, layer, value)
		case "spectra":
			f.spectra(quantity+"."+key, layer, value)
		default:
			f.nested(quantity+"."+key, layer, value)
		}
	}
}

// certificates takes those of local models.
func (f flattened) certificates(quantity, layer string, all any) {
	list, _ := all.([]any)
	for _, one := range list {
		c := one.(map[string]any)
		for _, key := range []string{"rank", "n", "bound", "vacuous", "violated"} {
			f.flat[place{f.of, quantity + "." + key, layer, int(c["shard"].(float64)), -1}] = c[key]
		}
	}
}

// spectra takes the singular values of local models.
func (f flattened) spectra(quantity, layer string, all any) {
	list, _ := all.([]any)
	for _, one := range list {
		shard := -1
		if k, ok := one.(map[string]any)["shard"].(float64); ok {
			shard = int(k)
		}
		for i, v := range one.(map[string]any)["values"].([]any) {
			f.flat[place{f.of, quantity, layer, shard, i}] = v
		}
	}
}

func (f flattened) reading(r map[string]any) {
	layer, _ := r["layer"].(string)
	at := place{f.of, "reading." + r["quantity"].(string), layer, -1, -1}
	if shard, ok := r["shard"].(float64); ok {
		at.shard = int(shard)
	}
	if step, ok := r["step"].(float64); ok {
		at.step = int(step)
	}
	f.flat[at] = r["value"]
}

// flattenAnalysis returns all numbers of `analyze --json`.
func flattenAnalysis(t *testing.T, data []byte) map[place]any {
	t.Helper()
	var said struct {
		Models []struct {
			Name   string
			Hash   any `json:"model_sha256"`
			Layers []struct {
				Name     string
				Spectrum []float64
			}
		}
		Measurements []struct {
			Model, Other, Layer, Quantity string
			Value                         any
		}
	}
	decode(t, data, &said)
	flat := make(map[place]any)
	for _, m := range said.Models {
		flat[place{m.Name, "model_sha256", "", -1, -1}] = m.Hash
		for _, l := range m.Layers {
			for i, v := range l.Spectrum {
				flat[place{m.Name, "spectrum", l.Name, -1, i}] = v
			}
		}
	}
	for _, m := range said.Measurements {
		of := m.Model
		if m.Other != "" {
			of += " and " + m.Other
		}
		flat[place{of, m.Quantity, m.Layer, -1, -1}] = m.Value
	}
	return flat
}
