#!/usr/bin/env bash
# Writes deploy/grafana/dashboard.json anew. With --check, only says whether it is what the program
# beside it makes.
. "$(dirname "$0")/lib.sh"

HERE=deploy/grafana
VENV=.tools/grafana

pinned_venv "$VENV" "$HERE/requirements.txt"

made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$VENV/bin/python" "$HERE/dashboard.py" >"$made"
if [ "${1:-}" = --check ]; then
    diff -u "$HERE/dashboard.json" "$made" >&2 ||
        die "$HERE/dashboard.json is not what $HERE/dashboard.py makes: run 'make dashboard'"
else
    cat "$made" >"$HERE/dashboard.json"
fi
