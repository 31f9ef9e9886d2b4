# Sourced by the scripts next to it; leaves the shell in the repository's root.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# envoy.yaml and the tests name files under target/, so no setting of the
# machine may move the build elsewhere.
export CARGO_TARGET_DIR="$PWD/target"

# With `make -j`, cargo would look for a job server that make does not share.
unset MAKEFLAGS MFLAGS

# All on standard error: what a script prints is for others to read.
say() { echo "portvakt: $*" >&2; }
die() {
    say "$@"
    exit 1
}

# reproducible FLAG…: compile with these flags of rustc and no others, and leave no folder of this
# machine in what is built: from any clone and any CARGO_HOME the same bytes come out. It replaces
# the flags in .cargo/config.toml and in the user's own, and takes paths with spaces.
reproducible() {
    local cargo=${CARGO_HOME:-$HOME/.cargo} commit sysroot compiler=${RUSTC:-rustc}
    commit=$("$compiler" -vV | sed -n 's/^commit-hash: //p')
    sysroot=$("$compiler" --print sysroot)
    # Of several that fit, rustc takes the last one.
    set -- "$@" \
        "--remap-path-prefix=$PWD=/portvakt" \
        "--remap-path-prefix=$cargo=/cargo" \
        "--remap-path-prefix=$(realpath -m "$cargo")=/cargo" \
        "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$commit"
    unset RUSTFLAGS
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "$*")
    export CARGO_ENCODED_RUSTFLAGS
}

# bounded SECONDS COMMAND…: a network that swallows packets must not hang a build.
bounded() {
    if command -v timeout >/dev/null; then
        timeout "$@" </dev/null
    else # macOS has none
        shift
        "$@" </dev/null
    fi
}

# Whether packages of Debian or Ubuntu can be installed without asking anybody.
can_apt() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

# apt_install PACKAGE…: quiet; the log is shown only when it went wrong.
apt_install() {
    local sudo=() log
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    log=$(mktemp)
    say "installing with apt-get: $*"
    # An unreachable third-party source fails `update`; the install is what counts.
    bounded 300 "${sudo[@]}" apt-get -q update >"$log" 2>&1 || true
    # --no-remove: rather fail than replace a package that somebody uses.
    if ! bounded 900 "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-remove --no-install-recommends \
        -o DPkg::Lock::Timeout=120 install "$@" >>"$log" 2>&1; then
        grep -E '^E:' "$log" >&2 || tail -n 3 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# can_venv: whether python3 makes virtual environments, for which Debian's lacks a package.
can_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        { can_apt && apt_install python3-venv && python3 -c 'import ensurepip, venv'; }
}

# pinned_venv FOLDER PINS: a virtual environment with these packages and no others, each pinned by
# its hash. The copy of the pins is made last: it marks a complete installation of them.
pinned_venv() {
    cmp -s "$2" "$1/pins.txt" && return
    can_venv || die "python3 can't make virtual environments (on Debian: apt-get install python3-venv)"
    say "installing under $1 what $2 names"
    mkdir -p .tools
    local log=$PWD/$1-install.log
    {
        python3 -m venv --clear "$1" &&
            bounded 300 "$1/bin/pip" install --disable-pip-version-check --retries 2 --timeout 30 \
                --no-deps --only-binary :all: --require-hashes -r "$2"
    } >"$log" 2>&1 || die "what $2 names could not be installed, is there a network? (log: $log)"
    cp "$2" "$1/pins.txt"
}
