#!/usr/bin/env bash
# Runs every test of the workspace. Arguments go to the test runner.
. "$(dirname "$0")/lib.sh"

ENVOY=$(dev/envoy.sh)
dev/build-wasm.sh
# The tests start these, and find them through the environment.
export ENVOY PORTVAKT_WASM="$CARGO_TARGET_DIR/wasm32-wasip1/release/portvakt.wasm"
cargo build --package dev-idp --locked

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@"
else
    cargo test --workspace --locked "$@"
fi
