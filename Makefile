# Everything a developer types. `make` alone lists the targets.

.DEFAULT_GOAL := help
# One cargo at a time is as fast as cargo gets: it uses every core by itself.
.NOTPARALLEL:

.PHONY: help setup build cli run demo test test-core test-deploy test-dist test-observability test-real test-faults fuzz soak dashboard bench bench-growth bench-core lint dist image release fmt clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get what is needed beyond rustup: the WebAssembly target and Envoy
	@dev/build-wasm.sh --setup
	@dev/envoy.sh

build: ## Build the filter: target/wasm32-wasip1/release/portvakt.wasm
	@dev/build-wasm.sh

cli: ## Build the command line: target/release/portvakt
	@dev/build-cli.sh

run: ## Start Envoy with the filter, an identity provider and an API, all local
	@dev/run.sh

demo: ## Play a tour of requests and answers on a local gateway, and end it
	@dev/demo.sh

test: ## Run the tests, those in a real Envoy included
	@dev/test.sh

test-core: ## Run the core's tests alone: seconds, without Envoy
	@dev/test.sh core

test-deploy: ## Check the manifests in deploy/, and try what comes of them in a real Envoy
	@dev/check-manifests.sh
	@dev/test.sh --test envoy deploy::

test-real: ## Run the filter with real authorization servers and clients, which it installs
	@dev/test.sh real

test-faults: ## Run the fault matrix: target/faults.md, or with RECORD=1 docs/reliability.md
	@dev/test.sh faults $(ROWS)

test-observability: ## Try dashboard, alerts and demo on a running gateway, with a real Prometheus
	@dev/test-observability.sh

fuzz: ## Fuzz the core, SECONDS=30 each target or TARGET alone, SEED=1 as CI (needs a C++ compiler)
	@SECONDS="$(or $(SECONDS),30)" TARGET="$(TARGET)" dev/fuzz.sh

soak: ## Send a million requests while everything goes wrong (REQUESTS, SEED, RECORD=1)
	@dev/test.sh soak

dashboard: ## Write deploy/grafana/dashboard.json anew
	@dev/dashboard.sh

bench: ## Measure what the filter costs beside others, in docs/benchmarks.md (QUICK=1; A=… B=…: two builds)
	@dev/bench.sh

bench-growth: ## Measure what growth costs, in docs/scaling.md: tokens, rules, workers, waiting (QUICK=1)
	@dev/bench.sh growth

bench-core: ## Measure each step of the core by itself, natively (BENCH='hit|rule' for some)
	@cargo bench --package portvakt-core --bench core --locked -- $(if $(BENCH),'$(BENCH)')

lint: ## Check format, clippy, walls, callbacks, shell scripts and dependencies
	@dev/lint.sh

dist: ## Make what a release consists of: target/dist, and the image in target/oci
	@dev/dist.sh

image: ## Make the module's image alone: target/oci, an OCI layout
	@dev/dist.sh --image

test-dist: ## Check that what `make dist` makes is the same everywhere, and works out of a registry
	@dev/test-dist.sh

release: ## Check that VERSION=1.2.3 can be released, and tag it
	@dev/release.sh "$(VERSION)"

fmt: ## Format the code
	cargo fmt --all

clean: ## Remove what was built, but not what was downloaded (.tools)
	cargo clean
