# Everything a person or a machine does with this repository beside `go build` and `go test`.
STATICCHECK = go tool -modfile=tools/go.mod staticcheck

.PHONY: all generate check-generated generate-kernels check-kernels lint test

all: lint test

# generate writes the Go code of proto/fedrelu/v1 (needs protoc: Debian's protobuf-compiler).
generate:
	proto/generate.sh

# check-generated fails, with the differences, where the committed code is not what the schema generates.
check-generated:
	proto/check.sh

# generate-kernels writes the assembly of internal/kernel and the Go declarations that go with it.
generate-kernels:
	internal/kernel/generate.sh internal/kernel

# check-kernels fails, with the differences, where the committed assembly is not what the generator writes.
check-kernels:
	internal/kernel/check.sh

lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'run gofmt -w on these files' >&2; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...

test:
	go test ./...
