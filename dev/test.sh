#!/usr/bin/env bash
# Runs every test of the workspace but those with real servers and clients (`real`, which installs
# them), the fault matrix (`faults`) and the long one (`soak`), or with `core` those of the core
# alone, which need neither Envoy nor the built filter. Other arguments go to the test runner.
. "$(dirname "$0")/lib.sh"

runner=(test)
cargo nextest --version >/dev/null 2>&1 && runner=(nextest run)

if [ "${1:-}" = core ]; then
    shift
    exec cargo "${runner[@]}" --package portvakt-core --locked "$@"
fi

# All of them, or those that are named.
[ "$#" -gt 0 ] || cargo test --manifest-path fuzz/Cargo.toml --no-default-features --locked

ENVOY=$(dev/envoy.sh)
dev/build-wasm.sh
# The tests start these, and find them through the environment.
export ENVOY PORTVAKT_WASM="$CARGO_TARGET_DIR/wasm32-wasip1/release/portvakt.wasm"

if [ "${1:-}" = real ]; then
    shift
    dev/real-servers.sh
    exec cargo "${runner[@]}" --package portvakt --features real --test real --locked "$@"
fi

if [ "${1:-}" = soak ]; then
    shift
    # It says how far it is, which nextest would keep to itself.
    exec cargo test --package portvakt --features soak --test soak --locked -- --nocapture "$@"
fi

if [ "${1:-}" = faults ]; then
    shift
    dev/build-wasm.sh --trap
    export PORTVAKT_TRAP_WASM="$CARGO_TARGET_DIR/wasm32-wasip1/trap/portvakt.wasm"
    # Envoy preloads it, so it must be there as a file.
    cargo build --package set-clock --locked
    export PORTVAKT_SET_CLOCK="$CARGO_TARGET_DIR/debug/libset_clock.so"
    # A program of its own: other arguments are parts of the names of rows.
    exec cargo test --package portvakt --features faults --test faults --locked -- "$@"
fi

export PORTVAKT_CLI="$CARGO_TARGET_DIR/debug/portvakt"
cargo build --package dev-idp --package portvakt-cli --locked
# Who names a target means that one alone.
case "${1:-}" in
    --test) exec cargo "${runner[@]}" --locked "$@" ;;
    *) exec cargo "${runner[@]}" --workspace --locked "$@" ;;
esac
