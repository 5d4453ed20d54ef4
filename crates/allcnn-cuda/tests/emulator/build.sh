#!/usr/bin/env bash
# Builds the emulated GPU's libraries into a folder, for ALLCNN_CUDA_LIBS: emulator/build.sh FOLDER (see README.md).
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
kernels=../../src/kernels
# The files and their order are those of SOURCES, the kernels those that the files declare.
sed -n 's/.*include_str!("\(.*\)").*/\1/p' $kernels/mod.rs | while read -r file; do
    printf '#line 1 "%s"\n' "$file"
    cat "$kernels/$file"
done >"$folder/kernels.inc"
sed -n 's/^extern "C" __global__ void \([a-z_0-9]*\)(.*/KERNEL(\1)/p' "$folder/kernels.inc" >"$folder/functions.inc"
flags=(-std=c++20 -O3 -march=native -ffp-contract=off -fPIC -shared -w ${EMULATOR_FLAGS:-})
library() { g++ "${flags[@]}" "${@:3}" "$1" -o "$folder/$2" -Wl,-soname,"$2"; }
# A GPU takes four values at a time from an address that is a multiple of their size alone.
library driver.cpp libcuda.so.1 -I"$folder" -fsanitize=alignment -fsanitize-undefined-trap-on-error &
library cudnn.cpp libcudnn.so.9 -fassociative-math -fno-signed-zeros -fno-trapping-math &
library cublaslt.cpp libcublasLt.so.13 -fassociative-math -fno-signed-zeros -fno-trapping-math &
library compiler.cpp libnvrtc.so.13
wait -n && wait -n && wait -n
