package round

import (
	"maps"
	"slices"

	"pgregory.net/rapid"
)

// fault does one random thing that can happen to a round.
func (w *world) fault() {
	id := w.anyLive()
	s := w.live[id]
	if s == nil {
		w.arrive()
		return
	}
	switch rapid.SampledFrom(faults).Draw(w.T, "fault") {
	case "join":
		w.arrive()
	case "return":
		w.comeBack()
	case "lose":
		delete(w.live, id)
		w.gone[id] = s
		w.step(Lost{id, "killed"})
	case "train":
		if tasks := w.some(s.tasks); len(tasks) > 0 {
			w.step(s.trainTasks(tasks))
		}
	case "push":
		if results := w.some(s.results); len(results) > 0 {
			w.push(id, results)
		}
	case "push untrained":
		if tasks := w.some(s.tasks); len(tasks) > 0 {
			w.push(id, tasks)
		}
	case "refuse":
		shards := w.some(union(s.tasks, s.results))
		w.forget(s, shards)
		w.step(Refused{id, shards, "CRC"})
	case "drop":
		shards := w.some(union(s.tasks, s.results))
		w.forget(s, shards)
		w.step(Dropped{id, shards, "restarted"})
	case "diverge":
		if shards := w.some(s.tasks); len(shards) > 0 {
			w.forget(s, shards[:1])
			w.step(Diverged{id, shards[0], 3, "the loss is NaN"})
		}
	case "stray":
		w.stray()
	case "tick":
		w.step(Tick{})
	}
}

// faults weigh by repetition.
var faults = []string{
	"join", "return", "lose", "train", "train", "train", "push", "push", "push untrained", "refuse", "drop", "diverge", "stray", "tick",
}

func (w *world) anyLive() WorkerID {
	ids := slices.Sorted(maps.Keys(w.live))
	if len(ids) == 0 {
		return 0
	}
	return rapid.SampledFrom(ids).Draw(w.T, "session")
}

func (w *world) arrive() {
	worker := Worker{
		Name:   rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(w.T, "name"),
		Slots:  rapid.IntRange(0, 4).Draw(w.T, "slots"),
		Serves: AllShards(),
	}
	worker.Slots = max(worker.Slots, 1)
	if rapid.Bool().Draw(w.T, "restricted") {
		first := rapid.IntRange(0, 100).Draw(w.T, "first")
		set, err := NewShardSet(Range{first, first + rapid.IntRange(0, 50).Draw(w.T, "more")}, Range{2, 4})
		if err != nil {
			w.Fatal(err)
		}
		worker.Serves = set
	}
	s := w.join(worker)
	w.step(Joined{s.worker})
}

// comeBack reconnects a lost session with what it trained, as one sum and as one single result.
func (w *world) comeBack() {
	ids := slices.Sorted(maps.Keys(w.gone))
	if len(ids) == 0 {
		return
	}
	old := rapid.SampledFrom(ids).Draw(w.T, "lost session")
	s := w.join(w.gone[old].worker)
	s.results = w.gone[old].results
	delete(w.gone, old)
	events := []Event{Joined{s.worker}}
	if held := slices.Sorted(maps.Keys(s.results)); len(held) > 0 {
		events = append(events, Holds{s.worker.ID, held[:1]}, Holds{s.worker.ID, held[1:]})
	}
	w.step(events...)
}

// stray sends messages that are out of place: unknown sessions, shards outside the round, repetitions.
func (w *world) stray() {
	id := WorkerID(rapid.Uint64Range(0, 20).Draw(w.T, "stray session"))
	shards := []int{rapid.IntRange(-1, 150).Draw(w.T, "stray shard"), 7}
	switch rapid.IntRange(0, 5).Draw(w.T, "stray") {
	case 0:
		if s := w.live[id]; s != nil {
			w.step(Joined{s.worker})
		}
	case 1:
		if w.live[id] == nil {
			w.step(Lost{id, "again"}, Trained{id, shards}, Holds{id, shards}, Refused{id, shards, "late"}, Dropped{id, shards, "late"})
		}
	case 2:
		w.strayResult(id, shards)
	case 3:
		if len(w.counted) > 0 {
			w.push(id, slices.Collect(maps.Keys(w.counted)))
		}
	case 4:
		w.step(Diverged{id, -2, 1, "outside"})
	case 5:
		if old := w.gone[id]; old != nil && len(old.results) > 0 {
			w.push(id, slices.Collect(maps.Keys(old.results)))
		}
	}
}

// strayResult lets a live session report results that nobody asked it for.
func (w *world) strayResult(id WorkerID, shards []int) {
	s := w.live[id]
	if s == nil {
		return
	}
	for _, shard := range shards {
		s.results[shard] = true
	}
	w.step(Trained{id, shards})
}

// some draws a part of a set, in ascending order.
func (w *world) some(set map[int]bool) []int {
	all := slices.Sorted(maps.Keys(set))
	if len(all) == 0 {
		return nil
	}
	from := rapid.IntRange(0, len(all)-1).Draw(w.T, "from")
	return all[from : from+rapid.IntRange(1, len(all)-from).Draw(w.T, "count")]
}

func union(a, b map[int]bool) map[int]bool {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}
