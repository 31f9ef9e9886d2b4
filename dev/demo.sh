#!/usr/bin/env bash
# Plays a tour: requests to a local gateway, each with its answer and why. It checks what it says,
# and fails where an answer is another. Ends all that it starts. Needs no port to be free.
. "$(dirname "$0")/lib.sh"

export LOGS=.tools/demo
. "$(dirname "$0")/processes.sh"

READ=nav:helse/sykepenger/afp.read

envoy=$(dev/envoy.sh)
to_end dev/build-wasm.sh
to_end cargo build --quiet --package dev-idp --locked
mkdir -p "$LOGS"

# --- what is around the gateway --------------------------------------------

# said NAME PATTERN: what a log says in the place of the pattern's group, once it does.
said() {
    local found
    for _ in {1..150}; do
        check_alive
        found=$(sed -nE "s|.*$2.*|\1|p" "$LOGS/$1.log" | head -n 1)
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
        pause 0.1
    done
    show_log "$1"
    die "$1 does not say where it listens"
}

# http PORT METHOD PATH [HEADER|BODY]…: the whole answer. What has a colon and a space is a header.
http() {
    local port=$1 method=$2 path=$3 headers='' body='' part
    shift 3
    for part in "$@"; do
        case "$part" in
        [A-Z]*': '*) headers+="$part"$'\r\n' ;;
        *) body=$part ;;
        esac
    done
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %s\r\n%s\r\n%s' \
        "$method" "$path" "${#body}" "$headers" "$body" >&3
    timeout 10 cat <&3 | tr -d '\r'
    exec 3<&- 3>&-
}

# token SCOPE
token() { http "$idp" GET "/token?scope=$1" | tail -n 1; }

fault() { http "$idp" "$@" >/dev/null; }

# asked: how many questions have reached the endpoint.
asked() { http "$admin" GET '/stats?filter=^cluster.texas.upstream_rq_total$' | sed -n 's/.*_total: //p'; }

# gateway [SED-EXPRESSION]…: envoy.yaml with these changes and free ports, in an Envoy.
gateway() {
    local expression expressions=(
        -e "s/port_value: (9901|8080)/port_value: 0/"
        -e "s/port_value: 7164/port_value: $idp/"
        -e "s/port_value: 9000/port_value: $api/"
    )
    for expression in "$@"; do expressions+=(-e "$expression"); done
    sed -E "${expressions[@]}" envoy.yaml >"$LOGS/envoy.yaml"
    rm -f "$LOGS/admin"
    NAIS_TOKEN_INTROSPECTION_ENDPOINT=http://127.0.0.1:$idp/api/v1/introspect \
        start envoy "$envoy" -c "$LOGS/envoy.yaml" --disable-hot-restart --concurrency 1 \
        --log-level warning --file-flush-interval-msec 20 --admin-address-path "$LOGS/admin"
    for _ in {1..150}; do
        check_alive
        [ ! -s "$LOGS/admin" ] || break
        pause 0.1
    done
    admin=$(sed 's/.*://' "$LOGS/admin")
    wait_for envoy 200 "$admin" /ready
    port=$(http "$admin" GET /listeners | sed -n 's/^gateway::.*://p')
}

# Ends the Envoy, which is what was started last.
end_gateway() {
    local last=$((${#pids[@]} - 1))
    kill -TERM "${pids[$last]}"
    wait "${pids[$last]}" 2>/dev/null || true
    unset "pids[$last]" "names[$last]"
}

# --- a request, as it is told -----------------------------------------------

step() { printf '\n%s. %s\n' "$((++steps))" "$1"; }

# send EXPECTED WHY METHOD [TOKEN]: the answer must be the expected one: a status, and in the
# access log the reason, or with 200 whether the endpoint was asked.
send() {
    local expected=$1 why=$2 method=$3 token=${4:-}
    local before lines answer status challenge logged shadow reason got
    before=$(asked)
    lines=$(grep -c ' /api/sykepenger ' "$LOGS/envoy.log" || true)
    printf '   %s /api/sykepenger' "$method"
    [ -z "$token" ] || printf '   Authorization: Bearer %s…' "${token:0:12}"
    printf '\n'
    answer=$(http "$port" "$method" /api/sykepenger ${token:+"Authorization: Bearer $token"})
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
    challenge=$(sed -n 's/^www-authenticate: //p' <<<"$answer")
    for _ in {1..100}; do
        logged=$(grep ' /api/sykepenger ' "$LOGS/envoy.log" | sed -n "$((lines + 1))p")
        [ -z "$logged" ] || break
        pause 0.05
    done
    read -r _ _ _ _ shadow reason <<<"$logged"
    got=$status
    if [ "$reason" != - ]; then
        got+=", $reason"
    elif [ "$shadow" != - ]; then
        got+=", but in earnest it would be $shadow"
    elif [ "$(asked)" -gt "$before" ]; then
        got+=", the endpoint was asked"
    else
        got+=", the endpoint was not asked"
    fi
    echo "   answer: $got"
    [ -z "$challenge" ] || echo "   WWW-Authenticate: $challenge"
    echo "   why: $why"
    [ "$got" = "$expected" ] || die "expected was: $expected (logs under $LOGS)"
}

# ---------------------------------------------------------------------------

begin=$SECONDS
steps=0
start dev-idp "$CARGO_TARGET_DIR/debug/dev-idp" --idp 127.0.0.1:0 --api 127.0.0.1:0
idp=$(said dev-idp 'introspection on http://127.0.0.1:([0-9]+)')
api=$(said dev-idp 'API on http://127.0.0.1:([0-9]+)')

echo "A gateway with envoy.yaml as it is: reading needs the scope $READ, writing another."
gateway
known=$(token $READ)

step "No token"
send "401, no_credentials" "The rule for this path needs a token; the challenge says of which scope." GET
step "A good token, but of the wrong scope"
send "403, insufficient_scope" "Writing needs another scope, which the challenge names." POST "$known"
step "A good token of the right scope"
good=$(token $READ)
send "200, the endpoint was asked" "The token is new here, so the request waited for an introspection." GET "$good"
step "The same again"
send "200, the endpoint was not asked" "What the endpoint said is remembered for a minute." GET "$good"

echo
echo "The introspection endpoint now fails."
fault PUT /fault '{"kind":"status","status":500}'
step "An outage: a token that is known"
send "200, the endpoint was not asked" "It is known still, and would be for five minutes longer (cache.stale_if_error)." GET "$good"
step "An outage: a token that nobody knows"
new=$(token $READ)
send "503, endpoint_out" "It cannot be checked, so it does not pass (failure_mode_allow is off)." GET "$new"

echo
echo "The endpoint is back."
fault DELETE /fault
step "Recovery: the same token"
send "200, the endpoint was asked" "Failures are not remembered: the next request asks again." GET "$new"
end_gateway

echo
echo "Another gateway: an RFC 7662 endpoint, where tokens can be revoked, and cache.max_ttl of 1s."
gateway "s|introspection: \{ cluster: texas, timeout: 1s \}|introspection: { cluster: texas, timeout: 1s, api: rfc7662, endpoint: \"http://127.0.0.1:$idp/oauth2/introspect\" }\n                            cache: { max_ttl: 1s }|"
good=$(token $READ)
step "A good token"
send "200, the endpoint was asked" "It is good, and for a second that counts." GET "$good"
step "Revoked, and a second later"
http "$idp" POST /oauth2/revoke 'Content-Type: application/x-www-form-urlencoded' "token=$good" >/dev/null
pause 1.1
send "401, invalid_token" "A revocation is seen after cache.max_ttl at the latest." GET "$good"
end_gateway

echo
echo "A third gateway: envoy.yaml with shadow: true, for trying a policy out."
gateway 's|( *)introspection: \{ cluster: texas, timeout: 1s \}|&\n\1shadow: true|'
step "Shadow mode: no token"
send "200, but in earnest it would be no_credentials" "Nothing is refused, but counted and told to the access log." GET

echo
echo "All as expected, in $((SECONDS - begin)) seconds. To try your own: make run"
