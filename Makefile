# "make" alone says what there is.
.DEFAULT_GOAL := help
SHELL := bash

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The linters are built once for each version of Go, and again when they change.
BIN := $(CURDIR)/.bin/$(shell go env GOVERSION)

run: build ## build, and serve a demo site of its own making
	./pxe-pilot demo

build: ## build ./pxe-pilot, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o pxe-pilot ./cmd/pxe-pilot

test: ## run every test; as root on Debian, install what they need
	scripts/packages.sh
	scripts/test.sh

soak: ## run the long versions of the tests, and each fuzz target for FUZZTIME (1m)
	scripts/packages.sh
	scripts/test.sh soak

bench: ## measure
	go test -run '^$$' -bench . -benchtime 11x -timeout 60m ./bench/...

lint: $(BIN)/.done ## check form, habits and dependencies
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w is due for:" $$unformatted; exit 1; }
	go vet ./...
	$(BIN)/staticcheck ./...
	$(BIN)/golangci-lint run ./...
	go mod tidy -diff

vuln: $(BIN)/.done ## look for known vulnerabilities that the program can reach (VULNDB=FILE.tar.zst: offline)
	scripts/vuln.sh $(BIN)/govulncheck $(VULNDB)

clean: ## remove what was built
	rm -rf pxe-pilot .bin

help: ## say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(BIN)/.done: tools/go.mod tools/go.sum
	cd tools && GOBIN=$(BIN) go install tool
	@touch $@

.PHONY: run build test soak bench lint vuln clean help
