#!/bin/sh
# Fails where the committed assembly is not what the generator writes.
set -eu
cd "$(dirname "$0")"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./generate.sh "$fresh"
for file in tiles_amd64.s tiles_amd64.go; do
	cmp "$file" "$fresh/$file" || { echo "$file is not current: run make generate-kernels" >&2; exit 1; }
done
