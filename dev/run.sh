#!/usr/bin/env bash
# Starts the filter in Envoy, with the local identity provider and API that it
# needs, and keeps them running until Ctrl-C. The ports are those in envoy.yaml.
. "$(dirname "$0")/lib.sh"

IDP_PORT=7164
API_PORT=9000
GATEWAY_PORT=8080
ADMIN_PORT=9901
export LOGS=.tools/run
. "$(dirname "$0")/processes.sh"

for port in $GATEWAY_PORT $ADMIN_PORT $IDP_PORT $API_PORT; do
    if listening "$port"; then
        die "port $port is in use: end what listens there, then try again"
    fi
done

envoy=$(dev/envoy.sh)
to_end dev/build-wasm.sh
to_end cargo build --package dev-idp --locked

mkdir -p "$LOGS"
start dev-idp "$CARGO_TARGET_DIR/debug/dev-idp" --idp "127.0.0.1:$IDP_PORT" --api "127.0.0.1:$API_PORT"
wait_for dev-idp 200 $IDP_PORT /healthz

export NAIS_TOKEN_INTROSPECTION_ENDPOINT=http://127.0.0.1:$IDP_PORT/api/v1/introspect
# Without hot restart, of which a machine can have only one, other Envoys may run.
start envoy "$envoy" -c envoy.yaml --disable-hot-restart --concurrency 2 \
    --log-level warning --component-log-level wasm:info
wait_for envoy 200 $ADMIN_PORT /ready
wait_for envoy 401 $GATEWAY_PORT /api/sykepenger

cat <<END

Ready: http://127.0.0.1:$GATEWAY_PORT (logs under $LOGS). In another terminal:

  # 200: a token with the scope for reading
  TOKEN=\$(curl -s 'http://127.0.0.1:$IDP_PORT/token?scope=nav:helse/sykepenger/afp.read')
  curl -i -H "Authorization: Bearer \$TOKEN" http://127.0.0.1:$GATEWAY_PORT/api/sykepenger

  # 401: no token
  curl -i http://127.0.0.1:$GATEWAY_PORT/api/sykepenger

  # 403: the same token, but writing needs another scope
  curl -i -X POST -H "Authorization: Bearer \$TOKEN" http://127.0.0.1:$GATEWAY_PORT/api/sykepenger

  # What Prometheus reads of it (docs/operations.md; a dashboard and alerts are in deploy/)
  curl -s http://127.0.0.1:$ADMIN_PORT/stats/prometheus | grep portvakt

Ctrl-C ends it.
END

# A terminal that was closed may have told nobody but make, which doesn't pass it on.
[ ! -t 0 ] || terminal=yes
while true; do
    check_alive
    [ -z "${terminal:-}" ] || [ -t 0 ] || exit 129
    pause 1
done
