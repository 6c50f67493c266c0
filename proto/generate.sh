#!/bin/sh
# Generates the Go code of the schema.
#
#   proto/generate.sh [OUT [FILE...]]
#
# OUT is the folder that stands for the repository's root (default: the root itself); FILE are schema files relative to
# proto/ (default: all of fedrelu/v1). The plugins and the annotations of protovalidate have the versions that
# tools/go.mod pins; protoc is the machine's (Debian: protobuf-compiler).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(cd "${1:-$root}" && pwd)
[ $# -gt 0 ] && shift

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
cd "$root/tools"
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
go mod download github.com/bufbuild/protovalidate
annotations=$(go list -m -f '{{.Dir}}' github.com/bufbuild/protovalidate)/proto/protovalidate

cd "$root/proto"
[ $# -gt 0 ] || set -- fedrelu/v1/*.proto
PATH=$bin:$PATH protoc -I . -I "$annotations" -I /usr/include \
	--go_out="$out" --go_opt=module=github.com/fedrelu/fedrelu \
	--go-grpc_out="$out" --go-grpc_opt=module=github.com/fedrelu/fedrelu \
	"$@"
