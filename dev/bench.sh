#!/usr/bin/env bash
# Measures Envoy's CPU time per request, with the filter and without.
. "$(dirname "$0")/lib.sh"

command -v wrk >/dev/null || die "wrk is missing, to make load with (on Debian: apt-get install wrk)"
ENVOY=$(dev/envoy.sh)
dev/build-wasm.sh
export ENVOY PORTVAKT_WASM="$CARGO_TARGET_DIR/wasm32-wasip1/release/portvakt.wasm"
cargo bench --bench gateway --locked
