#!/usr/bin/env bash
# Prints the folder of a Prometheus to test with, and its promtool: those on the PATH, else
# Debian's package, unpacked under .tools/. It is not installed, which would start a service.
. "$(dirname "$0")/lib.sh"

FOLDER=.tools/prometheus
HINT="install Prometheus 2.42 or newer yourself, so that prometheus and promtool are on the PATH"

# Both, and in one folder: of several names `command -v` is content with one.
if promtool=$(command -v promtool) && [ -x "$(dirname "$promtool")/prometheus" ]; then
    dirname "$promtool"
    exit
fi

if ! "$FOLDER/usr/bin/promtool" --version >/dev/null 2>&1; then
    if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then
        die "prometheus is missing: $HINT"
    fi
    say "unpacking Debian's prometheus under $FOLDER"
    rm -rf "$FOLDER"
    mkdir -p "$FOLDER"
    log=$PWD/.tools/prometheus-install.log
    fetch() { (cd "$FOLDER" && bounded 300 apt-get -q download prometheus) >>"$log" 2>&1; }
    : >"$log"
    if ! fetch; then
        # The list of packages may be missing, or older than the package.
        sudo=()
        [ "$(id -u)" = 0 ] || sudo=(sudo -n)
        { can_apt && bounded 300 "${sudo[@]}" apt-get -q update >>"$log" 2>&1 && fetch; } ||
            die "prometheus could not be downloaded (log: $log): $HINT"
    fi
    dpkg-deb -x "$FOLDER"/prometheus_*.deb "$FOLDER"
    rm "$FOLDER"/prometheus_*.deb
    "$FOLDER/usr/bin/promtool" --version >/dev/null 2>&1 ||
        die "Debian's prometheus does not run on this machine: $HINT"
fi
echo "$PWD/$FOLDER/usr/bin"
