#!/bin/sh
# Fails where the committed Go code of the schema differs from what proto/generate.sh writes today, also when a file of
# it has no schema any more.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$root/proto/generate.sh" "$fresh"
if ! diff -ru --exclude='*.proto' --exclude=doc.go "$root/proto/fedrelu" "$fresh/proto/fedrelu"; then
	echo 'the generated code is not current: run `make generate` and commit the result' >&2
	exit 1
fi
