#!/usr/bin/env bash
# Measures what the filter costs: see benches/gateway/main.rs. Words are handed on to it.
. "$(dirname "$0")/lib.sh"

command -v taskset >/dev/null || die "taskset is missing, to give Envoy a core of its own (on Debian: apt-get install util-linux)"
ENVOY=$(dev/envoy.sh)
dev/build-wasm.sh
built=$CARGO_TARGET_DIR/wasm32-wasip1/release
dev/build-wasm.sh --package bench-noop
export ENVOY PORTVAKT_WASM=$built/portvakt.wasm NOOP_WASM=$built/bench_noop.wasm
# Built first, by all cores: what is measured then is not disturbed by it.
cargo bench --bench gateway --locked --no-run
exec cargo bench --bench gateway --locked -- "$@"
