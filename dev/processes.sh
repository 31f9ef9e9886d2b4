# Sourced by the scripts next to it that start a gateway and what is around it. Whatever they start
# ends with them. They say in LOGS where its output goes.
# shellcheck shell=bash

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
