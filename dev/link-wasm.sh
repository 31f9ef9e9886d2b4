#!/usr/bin/env bash
# The linker for the filter: Rust's own, but for what it exports.
#
# The SDK exports a function for every callback there is, and Envoy calls each one that it finds
# for every stream, though nothing comes of most. Those that are not in callbacks.txt are left out.
set -euo pipefail

keep=" $(grep -v '^#' "$(dirname "$0")/callbacks.txt" | tr '\n' ' ') "

args=()
given=" "
while [ $# -gt 0 ]; do
    case "$1" in
    --export | --export-if-defined)
        given+="$2 "
        case "$keep" in
        *" $2 "*) args+=("$1" "$2") ;;
        *) [[ "$2" == proxy_on_* ]] || args+=("$1" "$2") ;;
        esac
        shift 2
        ;;
    --export=proxy_on_*)
        given+="${1#--export=} "
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

# A callback that the SDK does not have under that name would never be called. Build scripts and
# the like, which export nothing of the SDK's, are linked by another linker.
for name in $keep; do
    case "$name:$given" in
    proxy_on_*:*" $name "*) ;;
    proxy_on_*)
        echo "dev/callbacks.txt lists $name, which nothing exports" >&2
        exit 1
        ;;
    esac
done

if [ -z "${PORTVAKT_LINKER:-}" ]; then
    rustc=${RUSTC:-rustc}
    host=$("$rustc" -vV | sed -n 's/^host: //p')
    PORTVAKT_LINKER=$("$rustc" --print sysroot)/lib/rustlib/$host/bin/rust-lld
fi
exec "$PORTVAKT_LINKER" "${args[@]}"
