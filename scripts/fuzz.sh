#!/usr/bin/env bash
# Fuzzes everything that reads a file, with libFuzzer on a nightly Rust: each target so many seconds, two at a time. What is
# found is in fuzz/artifacts/TARGET; fuzz/corpus keeps the files that reach new code, for the next time. Both lie outside git.
# Ends with a table, and with 1 where there are findings.
#
# usage: scripts/fuzz.sh SECONDS [TARGET]...      all targets where none is named
#
# One finding again:  ALLCNN_FUZZ_TARGET=TARGET fuzz/target/x86_64-unknown-linux-gnu/release/any fuzz/artifacts/TARGET/crash-...
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET]...}
shift
case $seconds in *[!0-9]* | 0)
    echo "fuzz: '$seconds' is no number of seconds" >&2
    exit 2
    ;;
esac
rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked --quiet

# The valid files of the tests, from which fuzzing begins.
ALLCNN_FUZZ_CORPUS=$PWD/fuzz/seeds ALLCNN_FUZZ_CHANGED=0 \
    cargo test --release --locked --quiet -p allcnn-data -p allcnn --test any_bytes >/dev/null
cargo +nightly fuzz build any
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

targets=("$@")
[ $# -gt 0 ] || targets=($(ls fuzz/seeds))
for target in "${targets[@]}"; do
    [ -d "fuzz/seeds/$target" ] || {
        echo "fuzz: no target '$target'; expected" $(ls fuzz/seeds) >&2
        exit 2
    }
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target" fuzz/logs
done

# More than memory has, which the program asks for and is refused, is no finding; more than 4 GiB that it gets is one.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0
printf '%s\n' "${targets[@]}" | xargs -P 2 -I '{}' env ALLCNN_FUZZ_TARGET='{}' bash -c '
    "$1" "fuzz/corpus/$0" "fuzz/seeds/$0" -max_total_time="$2" -artifact_prefix="fuzz/artifacts/$0/" \
        -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 >"fuzz/logs/$0" 2>&1 || true' \
    '{}' "fuzz/target/$host/release/any" "$seconds"

findings=0
printf '%-16s %12s %8s %8s\n' target executions edges findings
for target in "${targets[@]}"; do
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/logs/$target")
    edges=$(grep -o 'cov: [0-9]*' "fuzz/logs/$target" | tail -n 1 | cut -d ' ' -f 2 || true)
    found=$(grep -c 'Test unit written to' "fuzz/logs/$target" || true)
    findings=$((findings + found))
    printf '%-16s %12s %8s %8s\n' "$target" "${executions:-?}" "${edges:-?}" "$found"
    # A target that did not even begin is no success.
    [ -n "$edges" ] || findings=$((findings + 1))
done
[ "$findings" -eq 0 ] || exit 1
