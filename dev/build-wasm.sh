#!/usr/bin/env bash
# Builds target/wasm32-wasip1/release/portvakt.wasm, or with --package NAME what that package is.
# With --setup, only makes sure that it can be built; with --rustc, says which compiler does it; with
# --trap, builds target/wasm32-wasip1/trap/portvakt.wasm, which tests let trap.
#
# The library for the target comes from rustup, or, where rustup's host can't be
# reached, from Debian: a second compiler, together with its library's source,
# that is used for this build alone. What is already installed goes before what
# would have to be downloaded. PORTVAKT_WASM_TOOLCHAIN=rustup or =debian takes
# that way and no other.
. "$(dirname "$0")/lib.sh"

TARGET=wasm32-wasip1
# As in .cargo/config.toml.
FLAGS=(-C target-feature=+simd128)
BUILD=(build --release)
DEBIAN_RUSTC=/usr/bin/rustc
DEBIAN_SRC=/usr/lib/rustlib/src/rust/library/std
# wasi-libc's folder; the second name is that of newer releases.
DEBIAN_LIBC_DIRS=(/usr/lib/wasm32-wasi /usr/lib/wasm32-wasip1)

command -v cargo >/dev/null || die "cargo is missing: install Rust 1.90 or newer, best with rustup"

# --- rustup's way ---------------------------------------------------------

# True for any compiler that has the target, however it came there.
rustup_ready() { [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET/lib" ]; }

rustup_install() {
    command -v rustup >/dev/null || return 1
    say "adding the $TARGET target with rustup"
    local log
    if ! log=$(RUSTUP_MAX_RETRIES=1 bounded 120 rustup target add "$TARGET" 2>&1); then
        say "rustup could not: $(grep -m 1 '^error' <<<"$log" || echo "no answer in time")"
        return 1
    fi
    rustup_ready
}

rustup_build() {
    reproducible "${FLAGS[@]}"
    exec cargo "${BUILD[@]}" --target "$TARGET" --locked "$@"
}

# --- Debian's way ---------------------------------------------------------

debian_libc() {
    local dir
    for dir in "${DEBIAN_LIBC_DIRS[@]}"; do
        if [ -f "$dir/libc.a" ]; then
            echo "$dir"
            return
        fi
    done
    return 1
}

# The linker: rustup's compiler has one, else LLVM's from Debian.
debian_linker() {
    local host lld
    host=$(rustc -vV | sed -n 's/^host: //p')
    lld="$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld"
    if [ -x "$lld" ]; then
        echo "$lld"
    else
        command -v wasm-ld
    fi
}

debian_ready() {
    [ -x "$DEBIAN_RUSTC" ] && [ -d "$DEBIAN_SRC" ] && debian_libc >/dev/null &&
        debian_linker >/dev/null
}

debian_install() {
    can_apt || return 1
    local packages=(rustc-web rust-web-src wasi-libc)
    debian_linker >/dev/null || packages+=(lld)
    apt_install "${packages[@]}" && debian_ready
}

debian_build() {
    RUSTC=$DEBIAN_RUSTC reproducible "${FLAGS[@]}" -L "native=$(debian_libc)"
    # RUSTC_BOOTSTRAP: build-std is not stable yet. The target folder can be
    # shared: cargo keeps what each compiler made apart.
    exec env RUSTC="$DEBIAN_RUSTC" RUSTC_BOOTSTRAP=1 \
        PORTVAKT_LINKER="$(debian_linker)" \
        cargo "${BUILD[@]}" --target "$TARGET" --locked -Z build-std=std,panic_abort "$@"
}

# --------------------------------------------------------------------------

choose() {
    case "${PORTVAKT_WASM_TOOLCHAIN:-}" in
    "")
        if rustup_ready; then
            echo rustup
        elif debian_ready; then
            echo debian
        elif rustup_install; then
            echo rustup
        elif debian_install; then
            echo debian
        else
            die "the Rust target $TARGET is missing: run 'rustup target add $TARGET'," \
                "or as root on Debian 'apt-get install rustc-web rust-web-src wasi-libc'"
        fi
        ;;
    rustup)
        rustup_ready || rustup_install ||
            die "the Rust target $TARGET is missing and 'rustup target add $TARGET' did not bring it"
        echo rustup
        ;;
    debian)
        debian_ready || debian_install ||
            die "missing, and could not be installed: run as root" \
                "'apt-get install rustc-web rust-web-src wasi-libc' (and lld, if rustup's rust-lld is not there)"
        echo debian
        ;;
    *) die "PORTVAKT_WASM_TOOLCHAIN is '$PORTVAKT_WASM_TOOLCHAIN': it can be rustup or debian" ;;
    esac
}

toolchain=$(choose)
if [ "${1:-}" = --rustc ]; then
    [ "$toolchain" = rustup ] && echo rustc || echo "$DEBIAN_RUSTC"
    exit
fi
say "the filter is built with the compiler from $toolchain"
# The builds replace this shell, so that who ends this process ends cargo.
[ "${1:-}" != --setup ] || exit 0
if [ "${1:-}" = --trap ]; then
    shift
    BUILD=(build --profile trap --features trap)
fi
"${toolchain}_build" "$@"
