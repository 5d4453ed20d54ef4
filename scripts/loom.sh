#!/usr/bin/env bash
# Checks the thread pool of allcnn-cpu with loom: every interleaving of a few threads, with at most so many preemptions, and
# every value that the memory model lets a load see. Prints the tests of the model; ends with 1 where one fails.
#
# usage: scripts/loom.sh [PREEMPTIONS]      2 where none is given: seconds. Each more takes several times as long.
set -euo pipefail
cd "$(dirname "$0")/.."

LOOM_MAX_PREEMPTIONS=${1:-2} RUSTFLAGS='--cfg loom' CARGO_TARGET_DIR=target/loom \
    cargo test --locked -p allcnn-cpu --lib threads::
