#!/usr/bin/env bash
# Lists the public API of each library in docs/api/CRATE.txt, so that a review shows what a change makes public, takes away
# or alters. Needs a nightly compiler (rustdoc's JSON) and cargo-public-api, which it installs; where they cannot be had it
# says so and ends with 0. allcnn-mpi is empty without an MPI library; where there is none its listing stays as it is.
#
# usage: scripts/api.sh [--check]     --check: write nothing, and end with 1 where a listing is not what the code has
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.52.0 # the listings depend on it
CRATES=(allcnn-device allcnn-data allcnn allcnn-cpu allcnn-cuda allcnn-serve)

skip() {
    echo "api: SKIPPED: $1" >&2
    exit 0
}

case ${1-} in
'' | --check) check=${1-} ;;
*)
    echo "usage: scripts/api.sh [--check]" >&2
    exit 2
    ;;
esac
cargo +nightly --version >/dev/null 2>&1 || skip "no nightly compiler (rustup toolchain install nightly)"
[ "$(cargo public-api --version 2>/dev/null)" = "cargo-public-api $VERSION" ] ||
    timeout 1500 cargo install "cargo-public-api@$VERSION" --locked --quiet ||
    skip "cargo-public-api $VERSION cannot be installed"

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# list CRATE [FLAG]...: without what follows from other lines, implementations of Debug, Clone, Send and their like.
list() {
    CARGO_TARGET_DIR=target/api cargo +nightly public-api -sss -p "$@" >"$made/$1.txt"
}

for crate in "${CRATES[@]}"; do
    list "$crate"
done
if command -v mpicc >/dev/null; then
    list allcnn-mpi --features mpi
else
    echo "api: SKIPPED allcnn-mpi: no MPI library with its compiler, mpicc (scripts/mpi.sh installs one)" >&2
    cp docs/api/allcnn-mpi.txt "$made/"
fi

if [ -z "$check" ]; then
    mkdir -p docs/api
    cp "$made"/*.txt docs/api/
elif ! diff -ru docs/api "$made"; then
    echo "api: the public API is not what docs/api lists: run scripts/api.sh and look at the difference" >&2
    exit 1
fi
