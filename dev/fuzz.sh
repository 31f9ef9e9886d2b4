#!/usr/bin/env bash
# Runs the fuzz targets, SECONDS each (30), all of them or TARGET alone. It ends badly if one finds
# something, and says how to run that again. With SEED it tries much the same inputs as any other
# run with that seed (hashes and addresses differ), else others each time. With RECORD=1 the table
# of what was run goes into docs/reliability.md as well.
#
# Fuzzers are built as `cargo fuzz run --sanitizer none TARGET` builds them, which takes neither
# a nightly Rust nor clang, but a C++ compiler.

# SECONDS is the shell's own clock as well: it is the caller's word first.
seconds=$(printenv SECONDS || echo 30)
. "$(dirname "$0")/lib.sh"

[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "SECONDS=$seconds is no number of seconds"
# libFuzzer's 0: another seed each time.
seed=${SEED:-0}
[[ $seed =~ ^[0-9]{1,9}$ ]] || die "SEED=$seed is no number"
command -v c++ >/dev/null || command -v g++ >/dev/null ||
    { can_apt && apt_install g++; } || die "a C++ compiler is missing (on Debian: apt-get install g++)"

mapfile -t targets < <(cd fuzz/fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
if [ -n "${TARGET:-}" ]; then
    [ -f "fuzz/fuzz_targets/$TARGET.rs" ] || die "there is no target $TARGET; there are: ${targets[*]}"
    targets=("$TARGET")
fi

host=$(rustc -vV | sed -n 's/^host: //p')
build=$CARGO_TARGET_DIR/fuzz
out=$build/run
flags=(
    --cfg=fuzzing
    -Cdebug-assertions
    -Ccodegen-units=1
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)

say "seeds and what was found before"
cargo test --manifest-path fuzz/Cargo.toml --no-default-features --locked --quiet >&2

say "building ${#targets[@]} fuzzers"
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$build cargo build --manifest-path fuzz/Cargo.toml \
    --target "$host" --release --locked "${bins[@]}"

# fuzz TARGET: its log is out/TARGET.log. What it learns stays in out/corpus, seeds stay as they are.
fuzz() {
    local corpus=$out/corpus/$1 folders=() options=()
    mkdir -p "$corpus" "fuzz/found/$1"
    folders=("$corpus" "fuzz/corpus/$1" "fuzz/found/$1")
    [ -f "fuzz/dict/$1" ] && options+=("-dict=fuzz/dict/$1")
    "$build/$host/release/$1" "${folders[@]}" "${options[@]}" \
        -seed="$seed" -reload=0 -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=2048 \
        -artifact_prefix="fuzz/found/$1/" -print_final_stats=1 >"$out/$1.log" 2>&1
}

# Two at a time, or as many as there are cores.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
say "fuzzing for $seconds s each, $cores at a time"
rm -rf "$out"
mkdir -p "$out"
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n || true; done
    (fuzz "$target" && echo none >"$out/$target.found") &
done
wait

table() {
    local processor=unknown how="\`make fuzz\`"
    [ ! -r /proc/cpuinfo ] || processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    [ "$seed" = 0 ] || how="\`SEED=$seed make fuzz\`"
    echo "$how, $(date -u +%F), $cores cores of $processor:"
    echo
    echo "| target | seconds | inputs run | findings |"
    echo "|---|---:|---:|---|"
    for target in "${targets[@]}"; do
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
        found=$(cat "$out/$target.found" 2>/dev/null || echo "**one**")
        echo "| \`$target\` | $seconds | ${runs:-?} | $found |"
    done
}
table

if [ "${RECORD:-}" = 1 ] && [ -f docs/reliability.md ]; then
    table >"$out/table"
    awk -v table="$out/table" '
        /<!-- \/fuzz -->/ { inside = 0 }
        !inside { print }
        /<!-- fuzz -->/ { inside = 1; while ((getline line < table) > 0) print line }
    ' docs/reliability.md >"$out/reliability.md"
    cat "$out/reliability.md" >docs/reliability.md
fi

status=0
for target in "${targets[@]}"; do
    rmdir "fuzz/found/$target" 2>/dev/null || true
    [ -f "$out/$target.found" ] && continue
    status=1
    say "$target:"
    grep -aE -A 1 "panicked at|ERROR: libFuzzer" "$out/$target.log" >&2 || tail -n 20 "$out/$target.log" >&2
    file=$(sed -n 's/.*Test unit written to //p' "$out/$target.log" | tail -n 1)
    say "it is kept${file:+ in $file}; again: ${build#"$PWD/"}/$host/release/$target ${file:-…}"
    say "give it a name, and commit it with what mends it: it is run again each time from then on"
done
exit "$status"
