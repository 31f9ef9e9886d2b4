#!/usr/bin/env bash
# Writes deploy/grafana/dashboard.json anew. With --check, only says whether it is what the program
# beside it makes.
. "$(dirname "$0")/lib.sh"

HERE=deploy/grafana
VENV=.tools/grafana
PINS=$HERE/requirements.txt

# The copy of the pins is made last: it marks a complete installation of them.
if ! cmp -s "$PINS" "$VENV/pins.txt"; then
    can_venv || die "python3 can't make virtual environments (on Debian: apt-get install python3-venv)"
    say "installing Grafana's SDK under $VENV"
    mkdir -p .tools
    log=$PWD/.tools/grafana-install.log
    {
        python3 -m venv --clear "$VENV" &&
            bounded 300 "$VENV/bin/pip" install --disable-pip-version-check --retries 2 --timeout 30 \
                --no-deps --only-binary :all: --require-hashes -r "$PINS"
    } >"$log" 2>&1 || die "Grafana's SDK could not be installed, is there a network? (log: $log)"
    cp "$PINS" "$VENV/pins.txt"
fi

made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$VENV/bin/python" "$HERE/dashboard.py" >"$made"
if [ "${1:-}" = --check ]; then
    diff -u "$HERE/dashboard.json" "$made" >&2 ||
        die "$HERE/dashboard.json is not what $HERE/dashboard.py makes: run 'make dashboard'"
else
    cat "$made" >"$HERE/dashboard.json"
fi
