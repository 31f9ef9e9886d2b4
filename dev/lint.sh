#!/usr/bin/env bash
# Every check that needs no running program. Tools that are not everywhere
# (shellcheck, cargo-deny) are used where they are installed.
. "$(dirname "$0")/lib.sh"

step() { echo "== $*"; }

step format
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check

step clippy
cargo clippy --workspace --all-targets --features real,observability,soak,faults,trap --locked -- -D warnings
# Without libFuzzer, which is C++.
cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --no-default-features --locked -- -D warnings

# The adapter's exports to Envoy are compiled for WebAssembly only.
if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip1/lib" ]; then
    step "clippy for WebAssembly"
    cargo clippy --lib --target wasm32-wasip1 --locked -- -D warnings
else
    step "clippy for WebAssembly: skipped, rustup's wasm32-wasip1 target is not installed"
fi

step walls
# The core knows no host: not even by a dependency of a dependency.
if cargo tree --package portvakt-core --edges normal --locked | grep -q proxy-wasm; then
    die "crates/core depends on proxy-wasm"
fi

step callbacks
# A callback that is implemented but not exported would never be called, and one that is exported
# but not implemented would cost every stream something.
implemented=$(grep -rohE '^ *fn on_[a-z_]+' src | sed -E 's/^ *fn /proxy_/; s/_http_(request|response)_/_\1_/' | sort -u)
exported=$(sed '1,/^# What the filter implements/d' dev/callbacks.txt | sort)
if [ "$implemented" != "$exported" ]; then
    diff <(echo "$implemented") <(echo "$exported") >&2 || true
    die "the callbacks in src/ (<) are not those in dev/callbacks.txt (>)"
fi

# In CI what can be installed in seconds is.
if ! command -v shellcheck >/dev/null && [ -n "${CI:-}" ] && can_apt; then
    apt_install shellcheck || die "shellcheck is missing (on Debian: apt-get install shellcheck)"
fi
if command -v shellcheck >/dev/null; then
    step shellcheck
    shellcheck --external-sources --source-path=SCRIPTDIR dev/*.sh .ci/run
else
    step "shellcheck: skipped, not installed"
fi

if cargo deny --version >/dev/null 2>&1; then
    step "cargo deny"
    cargo deny --locked check bans licenses sources
    # The list of advisories comes over the network.
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --locked check advisories
    else
        step "cargo deny: advisories skipped, their list can't be fetched"
    fi
else
    step "cargo deny: skipped, not installed"
fi
