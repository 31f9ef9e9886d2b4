#!/usr/bin/env bash
# Checks the manifests in deploy/ against their kinds' schemas (dev/manifests/check.mjs), with packages
# that dev/manifests/package-lock.json pins. Where there is no Node to be had it says so, and is no
# failure unless CI is set.
. "$(dirname "$0")/lib.sh"

TOOLS=.tools/manifests
NODE=18.17

# skip WHAT: what is missing here must not be missing in CI.
skip() {
    [ -z "${CI:-}" ] || die "the manifests cannot be checked: $1"
    say "the manifests are not checked: $1"
    exit 0
}

if ! { command -v node && command -v npm; } >/dev/null; then
    { can_apt && apt_install nodejs npm; } || skip "Node $NODE or newer is missing"
fi
node -e "const [a, b] = process.versions.node.split('.'); process.exit(a > 18 || (a == 18 && b >= 17) ? 0 : 1)" ||
    skip "Node $(node --version) is older than $NODE"

mkdir -p "$TOOLS"
# The copy of the lock is made last: it marks a complete installation.
if ! cmp -s dev/manifests/package-lock.json "$TOOLS/installed.json"; then
    say "installing the manifests' schemas under $TOOLS"
    rm -f "$TOOLS/installed.json"
    cp dev/manifests/{package.json,package-lock.json,.npmrc} "$TOOLS"
    log=$PWD/.tools/manifests-install.log
    (cd "$TOOLS" && bounded 600 npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 ||
        skip "their schemas could not be installed, is there a network? (log: $log)"
    cp dev/manifests/package-lock.json "$TOOLS/installed.json"
fi
# Node looks for packages beside the file that names them.
cp dev/manifests/check.mjs "$TOOLS"
node "$TOOLS/check.mjs" deploy
