#!/usr/bin/env bash
# Builds the emulated GPU's libraries into a folder, for ALLCNN_CUDA_LIBS: emulator/build.sh FOLDER
#
# With EMULATOR_VERBOSE=1 the program tells how many pieces of work a recorded graph has.
#
# EMULATOR_FLAGS=-fsanitize=address finds kernels that leave their buffers; the program then needs
# LD_PRELOAD=$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
kernels=../../src/kernels
for name in values repack gather activation bias pool lrn head sgd direct; do
    printf '#line 1 "%s.cu"\n' "$name"
    cat "$kernels/$name.cu"
done >"$folder/kernels.inc"
flags=(-std=c++20 -O3 -march=native -ffp-contract=off -fPIC -shared -w ${EMULATOR_FLAGS:-})
library() { g++ "${flags[@]}" "${@:3}" "$1" -o "$folder/$2" -Wl,-soname,"$2"; }
# A GPU takes four values at a time from an address that is a multiple of their size alone.
library driver.cpp libcuda.so.1 -DKERNELS="\"$folder/kernels.inc\"" -fsanitize=alignment -fsanitize-undefined-trap-on-error &
library cudnn.cpp libcudnn.so.9 -fassociative-math -fno-signed-zeros -fno-trapping-math &
library cublaslt.cpp libcublasLt.so.13 -fassociative-math -fno-signed-zeros -fno-trapping-math &
library compiler.cpp libnvrtc.so.13
wait -n && wait -n && wait -n
