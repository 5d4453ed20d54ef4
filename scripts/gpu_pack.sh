#!/usr/bin/env bash
# Builds what scripts/gpu_checks.sh runs on another machine, into target/gpu (under 64 MiB): the program, the CUDA
# device's tests, and where they were built, which is where the tests look for their fixtures.
#
#   scripts/gpu_pack.sh [DATA]      DATA: an archive of images for the training, taken along
set -euo pipefail
cd "$(dirname "$0")/.."
pack=target/gpu
rm -rf "$pack"
mkdir -p "$pack"
cargo build --release --locked -p allcnn-cli
cp target/release/allcnn "$pack/allcnn"
# "Executable tests/device.rs (target/release/deps/device-0123abcd)"
for target in --lib "--test device"; do
    # shellcheck disable=SC2086 # two words
    binary=$(cargo test --release --locked -p allcnn-cuda $target --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    case $target in --lib) name=unit-tests ;; *) name=device-tests ;; esac
    cp "$binary" "$pack/$name"
done
strip "$pack"/*
pwd >"$pack/built-in"
if [ $# -gt 0 ]; then cp "$1" "$pack/"; fi
du -sh "$pack"
