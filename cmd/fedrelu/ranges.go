package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fedrelu/fedrelu/proto/wire"
)

// parseRanges reads shards as people write them: 0-9,12. Nothing means all, and gives no range.
func parseRanges(s string) ([]wire.Range, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var ranges []wire.Range
	for part := range strings.SplitSeq(s, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func parseRange(part string) (wire.Range, error) {
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	from, err1 := shardNumber(first)
	to, err2 := shardNumber(last)
	switch {
	case err1 != nil || err2 != nil:
		return wire.Range{}, fmt.Errorf("%q: want numbers from 0 to %d, and ranges of them, as in 0-9,12", part, wire.MaxShards-1)
	case to < from:
		return wire.Range{}, fmt.Errorf("%q: a range goes upwards", part)
	}
	return wire.Range{First: from, Last: to}, nil
}

func shardNumber(s string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err == nil && n >= wire.MaxShards {
		err = strconv.ErrRange
	}
	return int(n), err
}
