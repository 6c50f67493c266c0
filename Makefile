# Everything a person or a machine does with this repository beside `go build` and `go test`.
STATICCHECK = go tool -modfile=tools/go.mod staticcheck
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: build image generate check-generated generate-kernels check-kernels lint test test-arm64 clean

# build (what a plain `make` does) writes bin/fedrelu, a static binary that runs anywhere, and all that Dockerfile and
# docker-compose.yml need: bin/image is what goes into the image, .env names the image after the binary's bytes, so that
# `docker-compose up` builds a new one exactly when the program has changed.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.buildVersion=$(VERSION)' -o bin/fedrelu ./cmd/fedrelu
	rm -rf bin/image
	mkdir -p bin/image/folders/data bin/image/folders/state
	cp bin/fedrelu bin/image/fedrelu
	@echo "FEDRELU_IMAGE=fedrelu:$$(sha256sum bin/fedrelu | cut -c 1-12)" > .env
	@echo 'bin/fedrelu is ready; `docker-compose up --scale worker=4` starts a cluster of it (or `docker compose up ...`)'

# image builds the image that docker-compose.yml would build at its first `up`, also under the name fedrelu:latest.
image: build
	. ./.env && docker build -t "$$FEDRELU_IMAGE" -t fedrelu:latest .

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
	go vet -tags compose ./test/compose
	go vet -tags blas ./internal/kernel ./localsgd
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags compose ./test/compose
	$(STATICCHECK) -tags blas ./internal/kernel

test:
	go test ./...

# test-arm64 runs the tests of kernels and golden bits as an arm64 processor would (needs qemu-aarch64: Debian's qemu-user).
ARM64 = CGO_ENABLED=0 GOARCH=arm64 go
test-arm64:
	$(ARM64) build ./...
	$(ARM64) vet ./internal/kernel
	$(ARM64) test -exec qemu-aarch64 ./internal/kernel -rapid.checks=20
	$(ARM64) test -exec qemu-aarch64 -run 'Kernel|Numerics|Golden|Known|PyTorch' ./internal/detmath ./localsgd/keyed ./localsgd ./localsgd/relu

clean:
	rm -rf bin .env
