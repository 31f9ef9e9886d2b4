#!/usr/bin/env bash
# Starts the filter in Envoy, with the local identity provider and API that it
# needs, and keeps them running until Ctrl-C. The ports are those in envoy.yaml.
. "$(dirname "$0")/lib.sh"

IDP_PORT=7164
API_PORT=9000
GATEWAY_PORT=8080
ADMIN_PORT=9901
LOGS=.tools/run

pids=()  # of what runs in the background
names=() # of the same, in the same order

stop() {
    # Once only, and to its end, even if the terminal has gone away.
    trap '' INT TERM HUP PIPE
    trap - EXIT
    set +e
    [ "${#pids[@]}" -gt 0 ] || return
    kill -TERM "${pids[@]}" 2>/dev/null
    for _ in {1..50}; do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
}
trap stop EXIT
trap 'say "stopping"; exit 130' INT
trap 'say "stopping"; exit 143' TERM
trap 'exit 129' HUP

# In the background and waited for, so that a signal is acted on at once.
pause() {
    sleep "$1" &
    wait $!
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# status PORT PATH: the status of a GET, or nothing. Needs no curl.
status() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" &&
            printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3 &&
            read -r -t 5 _ code _ <&3 &&
            echo "$code"
    ) 2>/dev/null || true
}

# start NAME COMMAND…: in the background, its output in a log of that name.
start() {
    local name=$1
    shift
    "$@" >"$LOGS/$name.log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
}

# to_end COMMAND…: waits for it, and ends it when this script is told to end.
to_end() {
    "$@" &
    pids=($!)
    wait $!
    pids=()
}

# The errors at the end of a log, or just its end.
show_log() {
    say "the end of $LOGS/$1.log:"
    { grep -E '\[(error|critical)\]' "$LOGS/$1.log" || cat "$LOGS/$1.log"; } | tail -n 5 >&2
}

# Ends everything as soon as one of them has ended.
check_alive() {
    local i
    for i in "${!pids[@]}"; do
        kill -0 "${pids[$i]}" 2>/dev/null && continue
        show_log "${names[$i]}"
        die "${names[$i]} has ended by itself"
    done
}

# wait_for NAME STATUS PORT PATH: until a GET to what was started by that name
# has that status.
wait_for() {
    local got
    for _ in {1..150}; do
        check_alive
        got=$(status "$3" "$4")
        [ "$got" != "$2" ] || return 0
        pause 0.2
    done
    show_log "$1"
    die "$1 is not ready: http://127.0.0.1:$3$4 should answer $2, but ${got:-nothing} came"
}

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

Ctrl-C ends it.
END

# A terminal that was closed may have told nobody but make, which doesn't pass it on.
[ ! -t 0 ] || terminal=yes
while true; do
    check_alive
    [ -z "${terminal:-}" ] || [ -t 0 ] || exit 129
    pause 1
done
