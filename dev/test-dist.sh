#!/usr/bin/env bash
# Makes what a release consists of, and tests it: the same bytes from another clone, bill and
# licences, the image out of a real registry in a real Envoy, the gateway image's files as its user.
. "$(dirname "$0")/lib.sh"

VENV=.tools/dist
PINS=dev/dist/requirements.txt

# lacking WHAT…: a failure where everything must be tested, else a line.
lacking() {
    [ -z "${CI:-}" ] || die "$@"
    say "$*: not tested"
}

command -v python3 >/dev/null || die "python3 is missing, to test with"

missing=()
for tool in docker-registry skopeo; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[ "${#missing[@]}" = 0 ] || { can_apt && apt_install "${missing[@]}"; } || true

# As for Envoy (dev/envoy.sh): the copy of the pins is made last.
if ! cmp -s "$PINS" "$VENV/pins.txt"; then
    can_venv || die "python3 can't make virtual environments (on Debian: apt-get install python3-venv)"
    say "installing what artifacts are checked with under $VENV"
    mkdir -p .tools
    log=$PWD/.tools/dist-install.log
    {
        python3 -m venv --clear "$VENV" &&
            bounded 300 "$VENV/bin/pip" install --disable-pip-version-check --retries 2 --timeout 30 \
                --no-deps --only-binary :all: --require-hashes -r "$PINS"
    } >"$log" 2>&1 || die "could not be installed, is there a network? (log: $log)"
    cp "$PINS" "$VENV/pins.txt"
fi

ENVOY=$(dev/envoy.sh)
export ENVOY PYTHONPATH=dev/dist:tests/dist PYTHONDONTWRITEBYTECODE=1
dev/dist.sh
cargo build --package dev-idp --locked

tests=(test_oci test_linked test_release test_dockerfile test_same)
if command -v docker-registry >/dev/null && command -v skopeo >/dev/null; then
    tests+=(test_registry)
else
    lacking "docker-registry or skopeo is missing (on Debian: apt-get install docker-registry skopeo)"
fi
"$VENV/bin/python" -m unittest "${tests[@]}"

# A root file system that nobody can write to, and a network of its own, in which ports are free.
apart=(unshare --mount --net)
if "${apart[@]}" true 2>/dev/null; then
    "${apart[@]}" "$VENV/bin/python" -m unittest test_gateway
else
    # No tool is missing that could be installed: the machine does not allow it.
    say "the gateway image's files can be run only by root, where namespaces are allowed: not tested"
fi
