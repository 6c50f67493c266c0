#!/bin/sh
# Writes tiles_amd64.s and tiles_amd64.go to the folder given, by the generator tools/kernelasm.
set -eu
tools=$(cd "$(dirname "$0")/../../tools" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go build -C "$tools" -o "$build/kernelasm" ./kernelasm
cd "$1"
"$build/kernelasm" -out tiles_amd64.s -go tiles_amd64.go # the command is written into the files: no folders in it
