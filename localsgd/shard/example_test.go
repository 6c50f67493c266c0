package shard_test

import (
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

// Ten examples go to two shards; the task of shard 1 in round 3 takes two passes in batches of three.
func Example() {
	train := &shard.Set{N: 10, Classes: 2, Outputs: 2, Labels: []int32{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}}
	shards, err := shard.Split(shard.LabelShards{PerShard: 1}, train, 2, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shards)
	walk := shard.NewWalk(1, 3, 1, shards[1], shard.Schedule{Order: shard.Sequential, Batch: 3, Epochs: 2})
	for batch := walk.Next(); batch != nil; batch = walk.Next() {
		fmt.Println(batch)
	}
	// Output:
	// [[1 3 5 7 9] [0 2 4 6 8]]
	// [0 2 4]
	// [6 8]
	// [0 2 4]
	// [6 8]
}
