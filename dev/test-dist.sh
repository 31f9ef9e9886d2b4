#!/usr/bin/env bash
# Makes what a release consists of, and tests it: the same bytes from another clone, bill and
# licences, the image out of a real registry in a real Envoy, the gateway image's files as its user.
. "$(dirname "$0")/lib.sh"

VENV=.tools/dist

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

pinned_venv "$VENV" dev/dist/requirements.txt

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
