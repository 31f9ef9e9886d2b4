# Everything a developer types. `make` alone lists the targets.

.DEFAULT_GOAL := help
# One cargo at a time is as fast as cargo gets: it uses every core by itself.
.NOTPARALLEL:

.PHONY: help setup build run test test-core test-deploy bench lint fmt clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get what is needed beyond rustup: the WebAssembly target and Envoy
	@dev/build-wasm.sh --setup
	@dev/envoy.sh

build: ## Build the filter: target/wasm32-wasip1/release/portvakt.wasm
	@dev/build-wasm.sh

run: ## Start Envoy with the filter, an identity provider and an API, all local
	@dev/run.sh

test: ## Run every test, those in a real Envoy included
	@dev/test.sh

test-core: ## Run the core's tests alone: seconds, without Envoy
	@dev/test.sh core

test-deploy: ## Check the manifests in deploy/, and try what comes of them in a real Envoy
	@dev/check-manifests.sh
	@dev/test.sh --test envoy deploy::

bench: ## Measure Envoy's CPU time per request, with the filter and without (needs wrk)
	@dev/bench.sh

lint: ## Check format, clippy, walls, callbacks, shell scripts and dependencies
	@dev/lint.sh

fmt: ## Format the code
	cargo fmt --all

clean: ## Remove what was built, but not what was downloaded (.tools)
	cargo clean
