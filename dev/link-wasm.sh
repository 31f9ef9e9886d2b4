#!/usr/bin/env bash
# The linker for the filter: Rust's own, but for what it exports.
#
# The SDK exports a function for every callback there is, and Envoy calls each one that it finds
# for every stream, though nothing comes of most. Those that are not in callbacks.txt are left out.
set -euo pipefail

keep=" $(grep -v '^#' "$(dirname "$0")/callbacks.txt" | tr '\n' ' ') "

args=()
while [ $# -gt 0 ]; do
    case "$1" in
    --export | --export-if-defined)
        case "$keep" in
        *" $2 "*) args+=("$1" "$2") ;;
        *) [[ "$2" == proxy_on_* ]] || args+=("$1" "$2") ;;
        esac
        shift 2
        ;;
    --export=proxy_on_*)
        case "$keep" in
        *" ${1#--export=} "*) args+=("$1") ;;
        esac
        shift
        ;;
    *)
        args+=("$1")
        shift
        ;;
    esac
done

if [ -z "${PORTVAKT_LINKER:-}" ]; then
    rustc=${RUSTC:-rustc}
    host=$("$rustc" -vV | sed -n 's/^host: //p')
    PORTVAKT_LINKER=$("$rustc" --print sysroot)/lib/rustlib/$host/bin/rust-lld
fi
exec "$PORTVAKT_LINKER" "${args[@]}"
