#!/usr/bin/env bash
# AddressSanitizer over everything in allcnn-cpu that touches memory by pointers: the thread pool, the buffers, and the kernels
# of every instruction set that this processor has, by the crate's own tests and the conformance suite. Needs a nightly
# compiler; where there is none it says so and ends with 0.
#
# What it does not see: the loads and stores of AMX tiles, which are assembly, and a read past one part of the workspace into
# the next one, which is the same allocation.
#
# Seven minutes of one core, the building included.
#
# usage: scripts/sanitize.sh [ARGUMENT]...      arguments for `cargo test -p allcnn-cpu`; all tests without
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=$(rustc -vV | sed -n 's/^host: //p')
# Convolutions of more multiply-adds are left out: with every access checked they would take most of an hour.
export ALLCNN_CONFORMANCE_MOST=${ALLCNN_CONFORMANCE_MOST:-400000}

skip() {
    echo "sanitize: SKIPPED: $1" >&2
    exit 0
}

case $TARGET in
x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu | *-apple-darwin) ;;
*) skip "there is no AddressSanitizer for $TARGET" ;;
esac
cargo +nightly --version >/dev/null 2>&1 || skip "no nightly compiler (rustup toolchain install nightly)"

# Named, the target keeps these flags from macros and build scripts. The kernels get the checks that releases spare them.
RUSTFLAGS="-Zsanitizer=address" RUSTDOCFLAGS="-Zsanitizer=address" \
    cargo +nightly test --release --locked --target "$TARGET" --target-dir target/sanitize \
    --config profile.release.package.allcnn-cpu.debug-assertions=true \
    --config profile.release.package.allcnn-cpu.overflow-checks=true \
    -p allcnn-cpu "$@" -- --nocapture
echo "sanitize: nothing found in $SECONDS s"
