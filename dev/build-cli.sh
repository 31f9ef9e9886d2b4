#!/usr/bin/env bash
# Builds target/release/portvakt, the command line.
. "$(dirname "$0")/lib.sh"

command -v cargo >/dev/null || die "cargo is missing: install Rust 1.90 or newer, best with rustup"
reproducible
exec cargo build --release --package portvakt-cli --locked
