package offline

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/fedrelu/fedrelu/coordinator/control"
	"github.com/fedrelu/fedrelu/coordinator/record"
	"github.com/fedrelu/fedrelu/coordinator/store"
	"github.com/fedrelu/fedrelu/localsgd/tensor"
)

// Export passes the header of a stored model to `to` and writes its block to the writer that it returned, chunk by chunk.
// round nil is the last one that is stored. When it returns nil the bytes had the recorded hash.
func (d *Directory) Export(ctx context.Context, run string, round *int, to func(control.Header) (io.Writer, error)) error {
	r, err := d.store.Find(run)
	if err != nil {
		return err
	}
	kept, err := d.pick(r, round)
	if err != nil {
		return err
	}
	model, err := d.store.OpenModel(r.ID, kept.Hash)
	if err != nil {
		return err
	}
	defer model.Close()
	w, err := to(control.Header{Run: r.ID, Round: kept.Round, Model: kept.Hash, Tensors: r.Tensors})
	if err != nil {
		return err
	}
	return copyModel(ctx, w, model, kept)
}

func copyModel(ctx context.Context, w io.Writer, model *store.Model, kept store.Kept) error {
	hash := sha256.New()
	both := io.MultiWriter(w, hash)
	if err := model.Copy(ctx, both); err != nil {
		return fmt.Errorf("copying the model of round %d: %w", kept.Round, err)
	}
	if tensor.Hash(hash.Sum(nil)) != kept.Hash {
		return fmt.Errorf("the model of round %d: %w: its values do not have the recorded hash", kept.Round, store.ErrDamaged)
	}
	return nil
}

func (d *Directory) pick(r record.Run, round *int) (store.Kept, error) {
	run := r.ID
	kept, err := d.store.Models(run)
	switch {
	case err != nil:
		return store.Kept{}, err
	case len(kept) == 0:
		return store.Kept{}, fmt.Errorf("%w: run %s has none yet", store.ErrNoModel, run)
	case round == nil:
		return kept[len(kept)-1], nil
	case *round == 0 && r.StartGiven:
		return store.Kept{Hash: r.StartModel}, nil // it always is
	}
	var rounds []string
	for _, k := range kept {
		if k.Round == *round {
			return k, nil
		}
		rounds = append(rounds, fmt.Sprint(k.Round))
	}
	return store.Kept{}, fmt.Errorf("%w: that of round %d of run %s; kept are those of rounds %s",
		store.ErrNoModel, *round, run, strings.Join(rounds, ", "))
}
