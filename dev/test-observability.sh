#!/usr/bin/env bash
# Tries what operators see: rules with promtool, the dashboard against the program that makes it,
# then both on running gateways with a real Prometheus, and the demo.
. "$(dirname "$0")/lib.sh"

# Where Prometheus cannot be had, one line says so (dev/prometheus.sh); only CI takes it for a failure.
if ! PROMETHEUS=$(dev/prometheus.sh); then
    [ -z "${CI:-}" ] || exit 1
    say "skipped: the tests of dashboard, alerts and demo"
    exit 0
fi
ENVOY=$(dev/envoy.sh)
dev/build-wasm.sh
cargo build --package dev-idp --locked
export ENVOY PROMETHEUS PORTVAKT_WASM="$CARGO_TARGET_DIR/wasm32-wasip1/release/portvakt.wasm"

"$PROMETHEUS/promtool" check rules deploy/prometheus/rules.yaml
"$PROMETHEUS/promtool" test rules deploy/prometheus/*.test.yaml
# The same alerts as a manifest, for one application.
"$PROMETHEUS/promtool" check rules <(sed '1,/^spec:/d; s/^  //' deploy/nais/alerts.yaml)
alerts() { sed -n 's/.*- alert: //p' "$1" | sort; }
diff <(alerts deploy/prometheus/rules.yaml) <(alerts deploy/nais/alerts.yaml) >&2 ||
    die "the alerts in deploy/nais are not those in deploy/prometheus"
dev/dashboard.sh --check
# The tour is timed: it comes by itself.
exec cargo test --test observability --features observability --locked -- --test-threads 1
