#!/usr/bin/env bash
# Makes what a release consists of, under target/dist, and the module's image: an OCI layout under
# target/oci, of the files under target/image. With --image, the image alone. The same commit gives
# the same bytes, with the same compilers and zlib: times are the commit's.
. "$(dirname "$0")/lib.sh"

OUT=target/dist
[ "${1:-}" != --image ] || OUT=target/dist-image
FILES=target/image
IMAGE=target/oci

command -v python3 >/dev/null || die "python3 is missing, to write the image and the SBOM with"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Where there is no git, as in a container's build, PORTVAKT_REVISION says it.
revision=${PORTVAKT_REVISION:-$(git rev-parse HEAD 2>/dev/null)} ||
    die "the revision is not known: this is no clone, and PORTVAKT_REVISION is not set"
if [ -z "${PORTVAKT_REVISION:-}" ] && [ -n "$(git status --porcelain)" ]; then
    say "there are changes that are not committed: the revision is said to be dirty"
    revision+=-dirty
fi
created=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
source=()
url=${PORTVAKT_SOURCE:-$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
if [ -n "$url" ]; then
    source=(--source "$url")
else
    say "the image does not say where its source is: set PORTVAKT_SOURCE, or repository in Cargo.toml"
fi

# describe ARTIFACT PACKAGE TARGET RUSTC: its SBOM and licences, beside it.
describe() {
    local notices
    python3 dev/dist/linked.py "$1" --package "$2" --target "$3" --created "$created" \
        --compiler "$("$4" -vV | sed -n 's/^release: //p')"
    for notices in "$("$4" --print sysroot)/share/doc/rust/COPYRIGHT-library.html" /usr/share/doc/rustc-web/copyright; do
        [ -f "$notices" ] || continue
        cp "$notices" "$1.rust-std.${notices##*[./]}"
        return
    done
    say "the notices of Rust's standard library did not come with $4: left out"
}

rm -rf "$OUT" "$FILES" "$IMAGE"
mkdir -p "$OUT" "$FILES"

dev/build-wasm.sh
cp target/wasm32-wasip1/release/portvakt.wasm "$OUT/"
describe "$OUT/portvakt.wasm" portvakt wasm32-wasip1 "$(dev/build-wasm.sh --rustc)"

cp "$OUT/portvakt.wasm" "$FILES/plugin.wasm"
cp "$OUT/portvakt.wasm.licenses.txt" "$FILES/LICENSES.txt"
digest=$(python3 dev/dist/oci.py "$IMAGE" --version "$version" --revision "$revision" \
    --created "$created" "${source[@]}" \
    "$FILES/plugin.wasm" "$FILES/LICENSES.txt")
say "$IMAGE: version $version, $digest"
if [ "${1:-}" = --image ]; then
    rm -r "$OUT"
    exit
fi

dev/build-cli.sh
cp target/release/portvakt "$OUT/"
describe "$OUT/portvakt" portvakt-cli "$(rustc -vV | sed -n 's/^host: //p')" rustc
cp LICENSE "$OUT/"
echo "$digest" >"$OUT/image.digest"
# The names sorted in one way, whatever the language.
(cd "$OUT" && LC_ALL=C && export LC_ALL && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)
say "$OUT:"
ls -1 "$OUT" >&2
