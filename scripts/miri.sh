#!/usr/bin/env bash
# Miri interprets what is unsafe in allcnn-cpu and finds undefined behavior that no test result shows: pointers that outlive or
# overlap what they may touch, data races, uninitialized memory. Over the thread pool, the buffers, what slices are cut with,
# and the portable kernels; the other instruction sets are scripts/sanitize.sh's. Needs a nightly compiler with Miri; where
# that cannot be had it says so and ends with 0.
#
# usage: scripts/miri.sh [FILTER]...      tests of allcnn-cpu whose names contain one; those listed here without
set -euo pipefail
cd "$(dirname "$0")/.."

# Modules of allcnn-cpu whose tests end in minutes.
TESTS=(threads:: buffer:: whole:: stored:: ops:: products::)
# Too much for an interpreter: a whole conformance suite, millions of values, measurements.
LEFT_OUT=(register_tiles small_and_large more_values_than_16_bits)

skip() {
    echo "miri: SKIPPED: $1" >&2
    exit 0
}

cargo +nightly --version >/dev/null 2>&1 || skip "no nightly compiler (rustup toolchain install nightly)"
if ! cargo +nightly miri --version >/dev/null 2>&1 || [ ! -d "$(rustc +nightly --print sysroot)/lib/rustlib/src" ]; then
    timeout 300 rustup component add miri rust-src --toolchain nightly >/dev/null 2>&1 ||
        skip "this nightly has no Miri, and it cannot be had (rustup component add miri rust-src --toolchain nightly)"
fi

# The number of processors is read from the system. A difference in the last bit of `exp` is no finding.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-deterministic-floats"
[ $# -gt 0 ] || set -- "${TESTS[@]}"
cargo +nightly miri test --locked --target-dir target/miri -p allcnn-cpu --lib -- "$@" "${LEFT_OUT[@]/#/--skip=}"
echo "miri: nothing found in $SECONDS s"
